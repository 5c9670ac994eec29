import assert from "node:assert/strict";
import test from "node:test";
import type { Holder, LeaseAnswer, LeaseRecord } from "../src/databases/database.js";
import type { SessionCause } from "../src/liveness-protocol.js";
import { beat, HoldingsStage, LOCK_TTL, MARGIN } from "./support/holdings-stage.js";
import { unreachable } from "./support/scripted-leases.js";

const lost: LeaseAnswer = { status: "lost", lease: undefined };

test("after a change of the session nothing is held before the store was asked, and then it is again", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.hold();
  stage.change("taken");
  await stage.clock.settle();
  assert.equal(lease.state, "unsure");
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(seen.outcome, "waits");
  assert.deepEqual(
    stage.store.sent("renew").map(({ batch }) => batch),
    [[{ key: "key1", leaseNumber: 1, fencingToken: 1_001, lockTtlMs: 0 }]],
    "it only looks: a job that does not beat is not prolonged",
  );
  stage.store.let();
  await stage.clock.settle();
  assert.equal(seen.outcome, "yes");
});

test("a yes of the store is no yes without trust when it is processed", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.hold();
  stage.change("taken");
  await stage.clock.settle();
  const seen = beat(lease);
  stage.clock.pass(1_300); // the answer is on its way for longer than trust lasts
  stage.store.let();
  await stage.clock.settle();
  assert.equal(seen.outcome, "waits");
  stage.trust();
  stage.holdings.tellNews();
  await stage.clock.settle();
  assert.equal(seen.outcome, "yes");
});

test("an answer that is older than a change of the session does not count: it is asked for anew", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  stage.store.hold();
  stage.holdings.look();
  await stage.pass(LOCK_TTL / 5);
  assert.equal(stage.store.sent("renew").length, 1, "a renewal is under way");
  stage.cells.raiseEpoch(); // something happened; the word of it is still on its way
  stage.trust();
  stage.store.let();
  await stage.clock.settle();
  assert.equal(lease.state, "unsure");
  stage.change("taken");
  await stage.clock.settle();
  assert.equal(lease.state, "held");
  assert.equal(stage.store.sent("renew").length, 2);
});

test("a no that is older than a change of the session does not count either", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.hold();
  stage.store.answers.renew = () => lost;
  stage.change("taken");
  await stage.clock.settle();
  stage.change("condemned", { sessionId: "locker.2" });
  stage.store.let();
  await stage.clock.settle();
  assert.equal(lease.isLost, false);
  assert.equal(stage.store.sent("reown").length, 1);
  assert.equal(lease.state, "held");
});

test("the store is asked every 100 ms until it answers", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.answers.renew = unreachable;
  stage.change("taken");
  await stage.clock.settle();
  for (let tries = 1; tries <= 5; tries++) {
    assert.equal(stage.store.sent("renew").length, tries);
    assert.equal(lease.state, "unsure");
    await stage.clock.advance(100);
  }
  delete stage.store.answers.renew;
  await stage.pass(100);
  assert.equal(lease.state, "held");
  const asked = stage.store.sent("renew").length;
  await stage.pass(10_000);
  assert.equal(stage.store.sent("renew").length, asked, "and then no more");
});

test("a judgement that has no answer yet ends when the session changes again: only the newest goes on", async () => {
  const stage = new HoldingsStage();
  stage.lease();
  stage.store.answers.renew = unreachable;
  for (let i = 0; i < 5; i++) stage.change("taken");
  await stage.pass(50);
  const asked = stage.store.sent("renew").length;
  await stage.clock.advance(1_000);
  assert.ok(stage.store.sent("renew").length - asked <= 10, "one question every 100 ms, not five");
});

test("what a condemned session held is taken over by compare-and-swap on that session and the token", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000);
  stage.change("condemned", { sessionId: "locker.2" });
  await stage.clock.settle();
  const [command] = stage.store.sent("reown");
  assert.equal(command?.identity.sessionId, "locker.2");
  assert.deepEqual(command?.batch, [
    { key: "key1", leaseNumber: 1, fencingToken: 1_001, lockTtlMs: LOCK_TTL, fromSessionId: "locker.1" },
  ]);
  assert.equal(lease.state, "held");
  assert.equal(lease.renewedMs, stage.clock.monoMs(), "it was written anew");
  stage.change("taken");
  await stage.clock.settle();
  assert.equal(stage.store.sent("renew").length, 1, "from now on it is the new session's");
});

test("after a loss of memory what is surely ours is written again, with everything the store needs for it", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - MARGIN - 1);
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.clock.settle();
  const facts = { key: "key1", leaseNumber: 1, fencingToken: 1_001, lockTtlMs: LOCK_TTL };
  assert.deepEqual(stage.store.sent("reassert")[0]?.batch, [{ ...facts, acquiredAtMs: 77, trace: "t" }]);
  assert.equal(lease.state, "held");
  assert.equal(lease.renewedMs, stage.clock.monoMs());
});

test("after a loss of memory what may have run out is lost, and not written again", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - MARGIN);
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.clock.settle();
  assert.equal(stage.lossOf(lease), "store-lost-data");
  assert.deepEqual(stage.store.sent("reassert"), []);
});

test("what ran out while the machine was suspended is not written again either", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.clock.stepWall(LOCK_TTL);
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.clock.settle();
  assert.equal(stage.lossOf(lease), "store-lost-data");
});

test("a session that could not come back re-owns, and never writes again what may have been taken from it", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.answers.reown = () => lost;
  stage.change("refused", { sessionId: "locker.2", era: "era2" });
  await stage.clock.settle();
  assert.deepEqual(stage.store.sent("reassert"), []);
  assert.equal(stage.lossOf(lease), "store-lost-data");
});

for (const [cause, code] of [
  ["taken", "revoked"],
  ["condemned", "session-condemned"],
  ["lapsed", "expired"],
  ["settled", "session-condemned"],
] as [SessionCause, string][]) {
  test(`a lease that is gone after the session was ${cause} is lost as ${code}, given back, and told once`, async () => {
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
};

test("a lease that somebody else has now is lost as taken over, with the holder where that is told quickly", async () => {
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

test("the worker is told how long the longest-lived lease may live, for a main thread that stands still so long", () => {
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
