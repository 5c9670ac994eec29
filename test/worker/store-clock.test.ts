import assert from "node:assert/strict";
import test from "node:test";
import { StoreClock } from "../../worker/store-clock.js";
import { FakeClock } from "../support/fake-clock.js";

const DRIFT = 100;

/** A store whose clock runs 5 s ahead of our monotonic one until it is set. */
function compare() {
  const clock = new FakeClock();
  const storeClock = new StoreClock(clock, DRIFT);
  const store = { aheadMs: 5_000 };
  const ping = ({ thereMs = 5, backMs = 5 } = {}) => {
    const sentMs = clock.monoMs();
    clock.pass(thereMs);
    const storeMs = Math.floor(clock.monoMs() + store.aheadMs);
    clock.pass(backMs);
    return storeClock.hasStepped(storeMs, sentMs);
  };
  return { clock, store, ping };
}

test("the first answer has nothing to compare with, and the same pace is no step", () => {
  const { clock, ping } = compare();
  for (let i = 0; i < 5; i++) {
    assert.equal(ping(), false);
    clock.pass(500);
  }
});

test("a step of the store's clock is told once", () => {
  const { store, ping } = compare();
  ping();
  store.aheadMs += 1_000;
  assert.equal(ping(), true);
  assert.equal(ping(), false);
});

test("only what no delay explains is a step: the bounds", () => {
  for (const [stepMs, expected] of [
    [DRIFT + 5 + 5 + 1, false], // the way to the store, the way back and one ms of rounding explain all but the drift
    [DRIFT + 5 + 5 + 2, true],
  ] as const) {
    const { store, ping } = compare();
    ping();
    store.aheadMs += stepMs;
    assert.equal(ping(), expected, `${stepMs} ms`);
  }
});

test("a reply that is late, or a ping that is executed late, is no step", () => {
  const { ping } = compare();
  assert.equal(ping(), false);
  assert.equal(ping({ thereMs: 10_000 }), false);
  assert.equal(ping(), false);
  assert.equal(ping({ backMs: 10_000 }), false);
  assert.equal(ping(), false);
});

test("a step back is no step forward, and the next pings are compared with the clock as it is then", () => {
  const { store, ping } = compare();
  ping();
  store.aheadMs -= 3_600_000;
  assert.equal(ping(), false);
  assert.equal(ping(), false);
  store.aheadMs += 1_000;
  assert.equal(ping(), true);
});

test("a step of our own wall clock is none of the store's", () => {
  const { clock, ping } = compare();
  ping();
  for (const stepMs of [3_600_000, -3_600_000]) {
    clock.stepWall(stepMs);
    assert.equal(ping(), false);
  }
});

test("while this machine was suspended the store's clock went on, which is no step", () => {
  const { clock, store, ping } = compare();
  ping();
  clock.stepWall(60_000);
  store.aheadMs += 60_000;
  assert.equal(ping(), false);
  assert.equal(ping(), false);
  store.aheadMs += 60_000;
  assert.equal(ping(), true, "but a step after it is seen");
});

test("a step of the store's is not hidden by a smaller one of our own wall clock at the same time", () => {
  const { clock, store, ping } = compare();
  ping();
  for (const ownMs of [DRIFT + 50, -3_600_000]) {
    clock.stepWall(ownMs);
    store.aheadMs += 30_000;
    assert.equal(ping(), true, `while ours steps by ${ownMs} ms`);
    assert.equal(ping(), false);
  }
});
