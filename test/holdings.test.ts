import assert from "node:assert/strict";
import test from "node:test";
import type { LeaseAnswer } from "../src/databases/database.js";
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

test("a yes that is older than a change of the session says nothing about what came after it", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  stage.store.hold();
  await stage.pass(LOCK_TTL / 5);
  assert.equal(stage.store.sent("renew").length, 1, "a renewal is under way");
  stage.store.answers.reown = unreachable;
  stage.change("condemned", { sessionId: "locker.2" });
  stage.store.let();
  await stage.clock.settle();
  assert.equal(lease.state, "unsure", "the renewal is answered, and nobody knows yet whether it is still ours");
  delete stage.store.answers.reown;
  await stage.pass(100);
  assert.equal(lease.state, "held");
});

test("a lease is believed from when its renewal was sent, however late the answer is", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  const grantedMs = stage.clock.monoMs();
  await stage.pass(1_000, lease);
  stage.store.hold();
  await stage.pass(LOCK_TTL / 5 + 30_000);
  stage.store.let();
  await stage.clock.settle();
  assert.equal(lease.renewedMs, grantedMs + LOCK_TTL / 5);
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
  assert.deepEqual(command?.batch, [{ key: "key1", leaseNumber: 1, fencingToken: 1_001, lockTtlMs: LOCK_TTL }]);
  assert.equal(lease.state, "held");
  assert.equal(lease.renewedMs, stage.clock.monoMs(), "it was written anew");
  stage.change("taken");
  await stage.clock.settle();
  assert.equal(stage.store.sent("renew").length, 1, "from now on it is the new session's");
});

test("what a condemned session held is never simply written again, also not in the next era", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.store.answers.reown = unreachable;
  stage.change("condemned", { sessionId: "locker.2" });
  await stage.clock.settle();
  stage.store.answers.reown = () => lost;
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.pass(100);
  assert.deepEqual(stage.store.sent("reassert"), []);
  assert.equal(stage.lossOf(lease), "store-lost-data");
});

test("after a loss of memory what is surely ours is written again, with all the store needs for it", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - MARGIN - 1);
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.clock.settle();
  const facts = { key: "key1", leaseNumber: 1, fencingToken: 1_001, lockTtlMs: LOCK_TTL };
  assert.deepEqual(stage.store.sent("reassert")[0]?.batch, [
    { ...facts, acquiredAtMs: 77, trace: "t", lastToken: 1_001, mode: "exclusive", permits: undefined },
  ]);
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

test("a session that could not come back has lost all it had, and neither re-owns nor writes it again", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.change("refused", { sessionId: "locker.2", era: "era2" });
  stage.change("condemned", { sessionId: "locker.3", era: "era2" }); // whatever comes next
  await stage.clock.settle();
  assert.deepEqual(
    stage.store.commands.map(({ verb }) => verb),
    ["release"],
  );
  assert.equal(stage.lossOf(lease), "store-lost-data");
});

test("what is granted after a session could not come back is none of its losses", async () => {
  const stage = new HoldingsStage();
  stage.change("refused", { sessionId: "locker.2", era: "era2" });
  const lease = stage.lease();
  await stage.clock.settle();
  assert.equal(lease.state, "held");
});

for (const recovering of [false, true]) {
  const what = recovering
    ? "whose window never closed is no loss"
    : "that was open is a loss, whatever the next one says";
  test(`an era in which nothing could be written again ${what}`, async () => {
    const stage = new HoldingsStage();
    const lease = stage.lease();
    stage.store.answers.reassert = unreachable;
    stage.change("reentered", { era: "era2", recovering: true });
    await stage.clock.settle();
    if (!recovering) stage.session.receive({ type: "trusted", recovering: false, recoveryMs: 2_500 });
    delete stage.store.answers.reassert;
    stage.change("reentered", { era: "era3", recovering: true });
    await stage.clock.settle();
    assert.equal(stage.lossOf(lease), recovering ? undefined : "store-lost-data");
    assert.equal(stage.store.sent("reassert").length > 1, recovering);
  });
}
