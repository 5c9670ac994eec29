// What one held lock takes in the store.

import { randomBytes } from "node:crypto";
import { Locker } from "../src/index.js";
import type { Answer, Question, Setting } from "./support/question.js";
import { openBed } from "./support/bed.js";

export const lockBytes: Question = {
  name: "lock-bytes",
  asks: "MEMORY USAGE of a lock: 18-byte key, default prefix, no trace",
  runs: 20,
  smokeRuns: 3,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using locker = new Locker({ database: bed.url });
  const bytes: number[] = [];
  const lengths: number[] = [];
  for (let run = 0; run < runs; run++) {
    const key = randomBytes(9).toString("hex");
    const result = await locker.acquire(key);
    if (!("lease" in result)) throw new Error(`${key} is held`);
    const name = bed.leaseName(key);
    bytes.push((await bed.client.memory("USAGE", name, "SAMPLES", 0)) ?? NaN);
    lengths.push(await bed.client.strlen(name));
    await result.lease.release();
  }
  const nameBytes = Buffer.byteLength(bed.leaseName("x".repeat(18)));
  return {
    series: [{ label: "a lock", unit: "bytes", samples: bytes, bound: { of: "every", atMost: 200 } }],
    notes: [
      `of that the name: ${nameBytes} bytes, the record: ${Math.min(...lengths)} to ${Math.max(...lengths)} bytes`,
      "MEMORY USAGE leaves out the entry in the table of expiries",
    ],
  };
}
