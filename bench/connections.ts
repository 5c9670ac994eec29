// How many connections a process that holds a lease, and does nothing else, keeps open.

import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LockerOptions } from "../src/index.js";
import type { Answer, Bound, Question, Setting } from "./support/question.js";
import { openBed, type Bed } from "./support/bed.js";
import { openProcess } from "./support/processes.js";

/** Longer than two pings: what a start opens and lets go is gone by then. */
const settleMs = 1_200;
const bound: Bound = { of: "every", atMost: 2 };

export const connections: Question = {
  name: "connections",
  asks: "connections of a quiet process that holds a lease (difference in CLIENT LIST)",
  runs: 5,
  smokeRuns: 1,
  waits: true,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await bed.use();
  const moduleName = fileURLToPath(new URL("./support/db.js", import.meta.url));
  const byUrl: number[] = [];
  const byModule: number[] = [];
  for (let run = 0; run < runs; run++) {
    byUrl.push(await countOnce(bed, bed.url, `url-${run}`));
    byModule.push(await countOnce(bed, { moduleName, exportName: "db" }, `module-${run}`));
  }
  return {
    series: [
      { label: "database by URL", unit: "connections", samples: byUrl, bound },
      { label: "database by module with a live client", unit: "connections", samples: byModule, bound },
    ],
  };
}

async function countOnce(bed: Bed, database: NonNullable<LockerOptions["database"]>, key: string): Promise<number> {
  const before = await clientIds(bed);
  await using holder = await openProcess(bed.url, { database });
  await holder.hold(key);
  await delay(settleMs);
  return [...(await clientIds(bed))].filter((id) => !before.has(id)).length;
}

async function clientIds(bed: Bed): Promise<Set<string>> {
  const list = String(await bed.client.client("LIST"));
  return new Set([...list.matchAll(/^id=(\d+) /gm)].map(([, id = ""]) => id));
}
