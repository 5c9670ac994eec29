import assert from "node:assert/strict";
import test from "node:test";
import { beat, HoldingsStage, LOCK_TTL, MARGIN } from "./support/holdings-stage.js";
import { unreachable } from "./support/scripted-leases.js";

test("a lease whose job has beaten is renewed a fifth of its time to live after it was asked for", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000);
  await lease.heartbeat();
  await stage.pass(LOCK_TTL / 5 - 1_000 - 1);
  assert.deepEqual(stage.store.commands, []);
  await stage.pass(1);
  const [command, ...more] = stage.store.sent("renew");
  assert.deepEqual(more, []);
  assert.deepEqual(command?.batch, [{ key: "key1", leaseNumber: 1, fencingToken: 1_001, lockTtlMs: LOCK_TTL }]);
  assert.equal(lease.renewedMs, stage.clock.monoMs());
});

test("a job that goes on beating is renewed every fifth of the time to live, for as long as it likes", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(3 * LOCK_TTL, lease);
  assert.equal(stage.store.sent("renew").length, 15);
  assert.equal(lease.state, "held");
});

test("a job that does not beat is not renewed, and its lease expires exactly with its time to live", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - 1);
  assert.deepEqual(stage.store.commands, []);
  assert.equal(lease.isLost, false);
  await stage.pass(1);
  assert.equal(stage.lossOf(lease), "expired");
  assert.deepEqual(
    stage.store.sent("release").map(({ batch }) => batch),
    [[{ key: "key1", leaseNumber: 1 }]],
  );
  assert.deepEqual(stage.posted, [{ type: "lost", leaseNumber: 1 }]);
});

test("a job that beat once and then no more expires a time to live after its last renewal", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(10_000, lease);
  await stage.pass(LOCK_TTL / 5 - 10_000);
  assert.equal(stage.store.sent("renew").length, 1);
  await stage.pass(LOCK_TTL - 1);
  assert.equal(stage.store.sent("renew").length, 1);
  assert.equal(lease.isLost, false);
  await stage.pass(1);
  assert.equal(stage.lossOf(lease), "expired");
});

test("a job that beats and cannot be renewed loses its lease as unreachable when its time is over", async () => {
  const stage = new HoldingsStage();
  stage.store.answers.renew = unreachable;
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - 1, lease);
  assert.equal(lease.isLost, false);
  await stage.pass(1);
  assert.equal(stage.lossOf(lease), "unreachable");
});

test("a main thread blocked past the lease's end was away itself: expired, though its job had beaten", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  stage.clock.pass(LOCK_TTL);
  stage.trust();
  await stage.clock.advance(0);
  assert.equal(stage.lossOf(lease), "expired");
  assert.deepEqual(stage.store.sent("renew"), [], "the store was never asked");
});

test("a renewal without an answer is asked for again after 100 ms, and the lease is held meanwhile", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  stage.store.answers.renew = unreachable;
  await stage.pass(LOCK_TTL / 5 - 1_000);
  for (let tries = 1; tries < 5; tries++) {
    assert.equal(stage.store.sent("renew").length, tries);
    assert.equal(lease.state, "held");
    await stage.pass(99);
    assert.equal(stage.store.sent("renew").length, tries);
    await stage.pass(1);
  }
  delete stage.store.answers.renew;
  await stage.pass(100);
  assert.equal(lease.renewedMs, stage.clock.monoMs());
});

test("a lease is believed until a margin before its end: then a heartbeat renews it and waits", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - MARGIN - 1);
  assert.equal(lease.state, "held");
  await stage.pass(1);
  assert.equal(lease.state, "unsure");
  assert.throws(() => lease.assertHeld(), { name: "LockUnsureError" });
  stage.store.hold();
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(stage.store.sent("renew").length, 1);
  assert.equal(seen.outcome, "waits");
  stage.store.let();
  await stage.clock.settle();
  assert.equal(seen.outcome, "yes");
  assert.equal(lease.state, "held");
});

test("a heartbeat that cannot know waits no longer than the lease could live", async () => {
  const stage = new HoldingsStage();
  stage.store.answers.renew = unreachable;
  const lease = stage.lease();
  await stage.pass(LOCK_TTL - MARGIN);
  const seen = beat(lease);
  await stage.pass(MARGIN - 1);
  assert.equal(seen.outcome, "waits");
  await stage.pass(1);
  assert.equal(seen.outcome, "unreachable");
});

test("a job that beats rarely is renewed at its beat, once four tenths of the time to live are over", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(0.4 * LOCK_TTL);
  await lease.heartbeat();
  await stage.clock.settle();
  assert.equal(stage.store.sent("renew").length, 0, "the next look is near enough");
  const rare = new HoldingsStage();
  const rarely = rare.lease();
  await rare.pass(0.4 * LOCK_TTL + 1);
  await rarely.heartbeat();
  await rarely.heartbeat();
  await rare.clock.settle();
  assert.equal(rare.store.sent("renew").length, 1);
  assert.equal(rarely.renewedMs, rare.clock.monoMs());
});

test("leases with a time to live of their own are each renewed in their time", async () => {
  const stage = new HoldingsStage();
  const long = stage.lease();
  const short = stage.lease({ lockTtlMs: 20_000 });
  await stage.pass(500);
  await Promise.all([long.heartbeat(), short.heartbeat()]);
  await stage.pass(3_500);
  assert.deepEqual(
    stage.store.sent("renew").map(({ batch }) => batch.map(({ key }) => key)),
    [["key2"]],
  );
  await stage.pass(19_999);
  assert.equal(short.isLost, false);
  await stage.pass(1);
  assert.equal(stage.lossOf(short), "expired");
  assert.equal(long.state, "held");
});

test("all that is due in one look travels as one command, without what is lost or released", async () => {
  const stage = new HoldingsStage();
  const leases = [1, 2, 3, 4].map(() => stage.lease());
  await stage.pass(1_000);
  await Promise.all(leases.map((lease) => lease.heartbeat()));
  void leases[3]?.release();
  await stage.pass(LOCK_TTL / 5);
  assert.deepEqual(
    stage.store.sent("renew").map(({ batch }) => batch.map(({ key }) => key)),
    [["key1", "key2", "key3"]],
  );
});

test("after a suspension longer than the lease lives, only the store knows whether it is held", async () => {
  // The monotonic clock stood still. Nobody wanted the key, so the session was not condemned; but the record has
  // expired, and whoever comes now is granted it.
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  stage.clock.stepWall(LOCK_TTL);
  stage.trust(); // the worker pings again, and is told that its session is alive
  assert.notEqual(lease.state, "held");
  stage.store.answers.renew = () => ({ status: "lost", lease: undefined });
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(seen.outcome, "expired");
});

test("a suspension that was shorter than the lease lives costs one renewal at most", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  stage.clock.stepWall(LOCK_TTL - MARGIN - 2_000);
  stage.trust();
  assert.equal(lease.state, "held");
  stage.clock.stepWall(2_000);
  stage.trust();
  assert.equal(lease.state, "unsure");
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(seen.outcome, "yes");
  assert.equal(stage.store.sent("renew").length, 1);
});

test("a wall clock that was set back does not hide a later suspension", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  stage.clock.stepWall(-3_600_000);
  stage.trust();
  assert.equal(lease.state, "unsure", "how long the lease has lived can no longer be told by the wall clock");
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(seen.outcome, "yes", "renewed, it can");
  stage.clock.stepWall(LOCK_TTL);
  stage.trust();
  assert.equal(lease.state, "unsure");
});

test("with the policy to abort, a job that cannot know loses its lease at its first unsure heartbeat", async () => {
  const stage = new HoldingsStage({ whenUnsure: "abort" });
  const lease = stage.lease();
  await stage.pass(500);
  await lease.heartbeat();
  stage.clock.pass(1_300);
  const seen = beat(lease);
  await stage.clock.settle();
  assert.equal(seen.outcome, "unreachable");
  assert.equal(stage.store.sent("release").length, 1);
});

test("once everything was released and looked at no timer is left", async () => {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  await stage.pass(1_000, lease);
  void lease.release();
  await stage.pass(LOCK_TTL);
  assert.deepEqual(stage.store.sent("renew"), []);
  assert.equal(stage.clock.pending, 0);
});
