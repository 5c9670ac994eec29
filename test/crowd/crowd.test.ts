// A crowd at one key, small; `npm run crowd` has the large one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fastLimits, fastSettings } from "../support/lockers.js";
import { findOverlaps, runCrowd, type Turn } from "./crowd.js";

test("16 lockers on one key have their turns one at a time, whatever each packet's latency", async (t) => {
  const limits = { ...fastLimits, acquireTimeoutMs: 30_000 };
  const { turns, tookMs, commands } = await runCrowd({
    ...{ processes: 2, lockersEach: 8, turns: 3, sectionMs: 20, jitterMs: 10, limits, settings: fastSettings },
    deadlineMs: 60_000,
  });
  t.diagnostic(`${turns.length} sections in ${Math.round(tookMs)} ms, ${commands} commands`);
  assert.deepEqual(findOverlaps(turns), []);
  assert.equal(turns.length, 48);
  assert.equal(new Set(turns.map(({ name }) => name)).size, 16);
  assert.equal(
    turns.reduce((sum, { refused }) => sum + refused, 0),
    0,
  );
});

test("an overlap is found, and a token that does not grow", () => {
  const turn = (token: number, enteredUs: number, leftUs: number): Turn => {
    return { name: "a", token, calledUs: 0, enteredUs, leftUs, refused: 0 };
  };
  assert.equal(findOverlaps([turn(1, 0, 10), turn(2, 10, 20), turn(3, 30, 40)]).length, 0);
  assert.equal(findOverlaps([turn(1, 0, 10), turn(2, 9, 20), turn(3, 30, 40)]).length, 1);
  assert.equal(findOverlaps([turn(1, 0, 10), turn(3, 10, 20), turn(3, 30, 40)]).length, 1);
});
