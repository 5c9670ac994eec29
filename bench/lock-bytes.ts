// What held locks take in the store.

import { randomBytes } from "node:crypto";
import { Locker } from "../src/index.js";
import { openBed, type Bed } from "./support/bed.js";
import type { Answer, Question, Setting } from "./support/question.js";

const locks = 1_000;

export const lockBytes: Question = {
  name: "lock-bytes",
  asks: `memory of Redis a lock, at ${locks} held locks: 18-byte keys, default prefix, no trace`,
  runs: 10,
  smokeRuns: 1,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await bed.use();
  await using locker = new Locker({ database: bed.url });
  const rounds: Round[] = [];
  for (let run = 0; run < runs; run++) rounds.push(await weigh(bed, locker));
  const nameBytes = Buffer.byteLength(bed.leaseName("x".repeat(18)));
  return {
    series: [
      {
        ...{ label: "MEMORY USAGE of the largest", unit: "bytes", samples: rounds.map(({ largest }) => largest) },
        bound: { of: "every", atMost: 200 },
      },
      { label: "all that Redis takes more, a lock", unit: "bytes", samples: rounds.map(({ growth }) => growth) },
    ],
    notes: [
      `of a lock the name is ${nameBytes} bytes, the record at most ${Math.max(...rounds.map(({ record }) => record))}`,
      "all that Redis takes more: used_memory with the locks less without them ÷ their number, so with the tables of " +
        "keys and of expiries, and whatever else has grown meanwhile",
    ],
  };
}

type Round = { largest: number; record: number; growth: number };

async function weigh(bed: Bed, locker: Locker): Promise<Round> {
  const keys = Array.from({ length: locks }, () => randomBytes(9).toString("hex"));
  const before = await usedMemory(bed);
  const leases = await Promise.all(
    keys.map(async (key) => {
      const result = await locker.acquire(key);
      if (!("lease" in result)) throw new Error(`${key} is held`);
      return result.lease;
    }),
  );
  const growth = ((await usedMemory(bed)) - before) / locks;
  const names = keys.map((key) => bed.leaseName(key));
  const usages = await Promise.all(names.map((name) => bed.client.memory("USAGE", name, "SAMPLES", 0)));
  const records = await Promise.all(names.map((name) => bed.client.strlen(name)));
  await Promise.all(leases.map((lease) => lease.release()));
  return { largest: Math.max(...usages.map((usage) => usage ?? NaN)), record: Math.max(...records), growth };
}

async function usedMemory({ client }: Bed): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1] ?? NaN);
}
