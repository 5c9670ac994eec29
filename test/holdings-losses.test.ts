import assert from "node:assert/strict";
import test from "node:test";
import type { Holder, LeaseAnswer, LeaseRecord } from "../src/databases/database.js";
import type { SessionCause } from "../src/liveness-protocol.js";
import { beat, HoldingsStage } from "./support/holdings-stage.js";
import { unreachable } from "./support/scripted-leases.js";
import { exclusive } from "./support/lease-facts.js";

const lost: LeaseAnswer = { status: "lost", lease: undefined };

for (const [cause, code] of [
  ["taken", "revoked"],
  ["condemned", "session-condemned"],
  ["lapsed", "expired"],
  ["settled", "session-condemned"],
] as [SessionCause, string][]) {
  test(`a lease that is gone once the session was ${cause} is lost as ${code}, given back, told once`, async () => {
    const stage = new HoldingsStage();
    const lease = stage.lease();
    stage.store.answers.renew = stage.store.answers.reown = () => lost;
    stage.change(cause);
    stage.change(cause);
    await stage.clock.settle();
    assert.equal(stage.lossOf(lease), code);
    assert.equal(stage.store.sent("release").length, 1);
    assert.deepEqual(stage.posted, [{ type: "lost", leaseNumber: 1 }]);
  });
}

const theirs: LeaseRecord = {
  ...{
    key: "key1",
    sessionId: "other.1",
    leaseNumber: 9,
    fencingToken: 2_000,
    acquiredAtMs: 99,
    era: "era1",
    trace: "",
  },
  ...exclusive,
};

test("a lease that somebody else has is lost as taken over, with the holder where that is told quickly", async () => {
  const holder = { sessionId: "other.1", host: "elsewhere" } as Holder;
  const stage = new HoldingsStage({ describe: () => Promise.resolve(holder) });
  const lease = stage.lease();
  stage.store.answers.renew = () => ({ status: "lost", lease: theirs });
  stage.change("taken");
  await stage.clock.settle();
  assert.equal(stage.lossOf(lease), "taken-over");
  assert.equal((lease.signal.reason as { holder: unknown }).holder, holder);
});

test("who has the key now is not waited for longer than 20 ms", async () => {
  const stage = new HoldingsStage({ describe: () => new Promise(() => undefined) });
  const lease = stage.lease();
  stage.store.answers.renew = () => ({ status: "lost", lease: theirs });
  stage.change("taken");
  await stage.clock.advance(19);
  assert.equal(lease.isLost, false);
  await stage.clock.advance(1);
  assert.equal(stage.lossOf(lease), "taken-over");
});

test("a job that is told to end by close() keeps its key until it has ended", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.holdings.endAll("closed");
  await stage.clock.settle();
  assert.equal(stage.lossOf(lease), "closed");
  assert.deepEqual(stage.store.commands, []);
  void lease.release();
  await stage.clock.settle();
  assert.equal(stage.store.sent("release").length, 1);
});

test("a lease that was released never says yes again, though trust lasts and the store still knows it", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.hold();
  void lease.release();
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(seen.outcome, "LockUnsureError");
  assert.equal(lease.state, "unsure");
  assert.throws(() => lease.assertHeld(), { name: "LockUnsureError" });
  stage.store.let();
  await stage.clock.settle();
});

test("the worker is told that all was judged when it was, and not while an answer is missing", async () => {
  const stage = new HoldingsStage();
  stage.lease();
  await stage.clock.settle();
  assert.equal(stage.cells.readJudgedEpoch(), 1);
  stage.store.answers.renew = unreachable;
  stage.change("taken");
  await stage.clock.advance(1_000);
  assert.deepEqual([stage.cells.readEpoch(), stage.cells.readJudgedEpoch()], [2, 1]);
  delete stage.store.answers.renew;
  await stage.clock.advance(100);
  assert.equal(stage.cells.readJudgedEpoch(), 2);
});

test("the worker is told how long the longest-lived lease may live while the main thread stands still", () => {
  const stage = new HoldingsStage();
  stage.lease({ lockTtlMs: 20_000 });
  assert.equal(stage.cells.readLockTtlMsMax(), 20_000);
  stage.lease({ lockTtlMs: 3_600_000 });
  stage.lease();
  assert.equal(stage.cells.readLockTtlMsMax(), 3_600_000);
});

test("a release waits for what is under way for its lease, so that it cannot be overtaken", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.hold();
  stage.change("condemned", { sessionId: "locker.2" });
  await stage.clock.settle();
  void lease.release();
  await stage.clock.settle();
  assert.deepEqual(
    stage.store.commands.map(({ verb }) => verb),
    ["reown"],
  );
  stage.store.let();
  await stage.clock.settle();
  assert.deepEqual(
    stage.store.commands.map(({ verb }) => verb),
    ["reown", "release"],
  );
});

test("what is found in place of a lease ends its release: it was not held to the end", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.answers.release = () => ({ status: "error", error: new Error("foreign") });
  const released = stage.holdings.release(lease);
  await stage.clock.advance(5_000);
  assert.deepEqual(await released, { heldToTheEnd: false });
  assert.equal(stage.store.sent("release").length, 1);
});

test("what was not asked for again since the session heard of a loss is lost in the next era", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.answers.renew = unreachable;
  stage.change("taken");
  await stage.clock.settle();
  assert.equal(lease.isLost, false);
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.clock.settle();
  assert.equal(stage.lossOf(lease), "store-lost-data");
  assert.equal(stage.store.sent("reassert").length, 0);
});
