// The harness itself under a few fixed seeds: a bounded part of what `npm run chaos` and `npm run soak` do for hours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.js";
import { runMany } from "./many.js";

/** Among them: data loss, failovers, frozen and killed processes, worker crashes, lost packets, clock steps. */
const seeds = [
  {
    backend: "redis",
    lanes: [
      [2, 15],
      [6, 34],
    ],
  },
  { backend: "sqlite", lanes: [[1_000], [1_005]] }, // deleted and locked files
  { backend: "postgres", lanes: [[5_004], [5_007]] }, // crashes and clocks
  { backend: "cluster", lanes: [[2_002], [2_004]] }, // masters, slots
];

for (const { backend, lanes } of seeds) {
  test(`a few schedules of faults break no invariant on ${backend}`, { timeout: 120_000 }, async () => {
    const run = async (lane: number[]): Promise<void> => {
      for (const seed of lane) {
        const args = ["--backend", backend, "--seed", String(seed), "--schedules", "1", "--at-once", "1"];
        const totals = await runMany(readArguments(args));
        assert.deepEqual([totals.violations, totals.broken], [0, []], `seed ${seed}: see above`);
        assert.ok(totals.faults >= 3 && totals.grants >= 5, `seed ${seed}: too little happened to say anything`);
      }
    };
    await Promise.all(lanes.map(run));
  });
}
