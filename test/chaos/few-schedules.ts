// A few schedules of faults as a test: a bounded part of what `npm run chaos` and `npm run soak` do for hours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.js";
import { runMany } from "./many.js";

export type FewSchedules = {
  readonly backend: string;
  /** Seeds, one after the other; lanes run at the same time. */
  readonly lanes: readonly (readonly number[])[];
};

export function tryFewSchedules(few: readonly FewSchedules[]): void {
  for (const { backend, lanes } of few) {
    test(`a few schedules of faults break no invariant on ${backend}`, { timeout: 120_000 }, async () => {
      const run = async (lane: readonly number[]): Promise<void> => {
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
}
