import assert from "node:assert/strict";
import test from "node:test";
import { SharedCells } from "../../src/shared-cells.js";
import { MainWatch } from "../../worker/watch.js";

const TICK = 100;

function watchMain(killAfterMs?: number, lockTtlMs = 1_000) {
  const cells = new SharedCells(1_300);
  const watch = new MainWatch(cells, { lockTtlMs, killAfterMs, tickMs: TICK });
  watch.tick(TICK); // the first look has nothing to compare with
  const tick = (elapsedMs = TICK) => watch.tick(elapsedMs);
  const ticks = (count: number) => Array.from({ length: count }, () => tick()).at(-1)!;
  return { cells, watch, tick, ticks };
}

test("a main thread is stuck once it stood still for exactly the lock TTL, and no sooner", () => {
  const { tick, ticks } = watchMain();
  assert.equal(ticks(9).isStuck, false);
  assert.equal(tick().isStuck, true);
  assert.equal(tick().isStuck, true, "and stays so");
});

test("while leases may live longer than the locker's own lock TTL, so may a main thread that stands still", () => {
  const { cells, ticks } = watchMain();
  cells.raiseLockTtl(5_000);
  cells.raiseLockTtl(3_000);
  assert.equal(ticks(49).isStuck, false);
  assert.equal(ticks(1).isStuck, true);
});

test("one step of the main thread counts as running, and the count begins anew", () => {
  const { cells, tick, ticks } = watchMain();
  ticks(10);
  cells.tickMain();
  assert.equal(tick().isStuck, false);
  assert.equal(ticks(9).isStuck, false);
  assert.equal(tick().isStuck, true);
});

test("a main thread that goes on is never stuck", () => {
  const { cells, tick } = watchMain();
  for (let i = 0; i < 100; i++) {
    cells.tickMain();
    assert.equal(tick().isStuck, false);
  }
});

test("a process that was stopped for an hour is not stuck: only the worker's own running time counts", () => {
  const { tick, ticks } = watchMain();
  ticks(7);
  assert.equal(tick(3_600_000).isStuck, false, "an hour counts as two ticks");
  assert.equal(tick().isStuck, true);
});

test("without the option nothing is ever killed", () => {
  const { cells, watch, ticks } = watchMain(undefined);
  cells.writeJobs(1);
  watch.onLost(1);
  assert.equal(ticks(1_000).killJobs, 0);
});

test("a lost job is overdue once it ran on for exactly killAfterMs, and the kill tells how many die", () => {
  const { cells, watch, tick, ticks } = watchMain(500);
  cells.writeJobs(3);
  watch.onLost(7);
  assert.equal(ticks(4).killJobs, 0);
  assert.equal(tick().killJobs, 3);
});

test("a lost job that settles in time is not overdue, and another one's time is its own", () => {
  const { cells, watch, tick, ticks } = watchMain(500);
  cells.writeJobs(2);
  watch.onLost(7);
  ticks(2);
  watch.onLost(8);
  ticks(2);
  watch.onSettled(7);
  assert.equal(ticks(2).killJobs, 0);
  assert.equal(tick().killJobs, 2);
});

test("a stuck main thread that cannot say what it lost is overdue once its jobs stay unjudged for killAfterMs", () => {
  const { cells, tick, ticks } = watchMain(500, 1e9);
  cells.writeJobs(2);
  assert.equal(ticks(100).killJobs, 0, "nothing has happened");
  cells.raiseEpoch();
  assert.equal(ticks(4).killJobs, 0);
  assert.equal(tick().killJobs, 2);
});

test("a main thread that runs says itself what it lost, and may be waiting for the store to know", () => {
  const { cells, tick } = watchMain(500, 1e9);
  cells.writeJobs(2);
  cells.raiseEpoch();
  for (let i = 0; i < 100; i++) {
    if (i % 3 === 0) cells.tickMain(); // four times a second, give or take
    assert.equal(tick().killJobs, 0);
  }
});

test("jobs that are judged in time are not overdue, nor is a main thread without jobs", () => {
  const { cells, ticks } = watchMain(500);
  cells.writeJobs(1);
  cells.raiseEpoch();
  ticks(4);
  cells.writeJudgedEpoch(cells.readEpoch());
  assert.equal(ticks(100).killJobs, 0);
  cells.writeJobs(0);
  cells.raiseEpoch();
  assert.equal(ticks(100).killJobs, 0);
});

test("time in which the process was stopped does not count against a lost job either", () => {
  const { watch, tick, ticks } = watchMain(500);
  watch.onLost(7);
  ticks(2);
  assert.equal(tick(3_600_000).killJobs, 0);
  assert.equal(tick().killJobs, 1, "one dies at least, also when the count of jobs is not told yet");
});
