// The harness itself under a few fixed seeds: a bounded part of what `npm run chaos` and `npm run soak` do for hours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.js";
import { runMany } from "./many.js";

/** Among them: data loss, failovers, frozen and killed processes, worker crashes, lost packets, clock steps. */
const seeds = [2, 6, 15, 34];

test("a few schedules of faults break no invariant", { timeout: 120_000 }, async () => {
  const lanes = [0, 1].map(async (lane) => {
    for (const seed of seeds.filter((_, i) => i % 2 === lane)) {
      const totals = await runMany(readArguments(["--seed", String(seed), "--schedules", "1", "--at-once", "1"]));
      assert.deepEqual([totals.violations, totals.broken], [0, []], `seed ${seed}: see above`);
      assert.ok(totals.faults >= 3 && totals.grants >= 5, `seed ${seed}: too little happened to say anything`);
    }
  });
  await Promise.all(lanes);
});
