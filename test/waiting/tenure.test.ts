import assert from "node:assert/strict";
import test from "node:test";
import { LOCK_TTL, TRUST } from "../support/holdings-stage.js";
import { asked, granted, next, settled, states, type WaitingStage } from "../support/waiting-stage.js";

test("after its time the line hands on no more, also while the job still runs: the rest asks the store", async () => {
  const { stage, outcomes, lease } = await granted(3);
  stage.queuedBehind("locker.1", { leaseNumber: lease.leaseNumber });
  await stage.pass(50);
  assert.deepEqual([asked(stage).at(-1)?.leaseNumber, asked(stage).at(-1)?.tokens], [2, 2]);
  await settled(stage, lease.release());
  await stage.clock.settle();
  assert.deepEqual([states(outcomes), stage.released], ["gww", [1]]);
});

test("the time is up also for jobs that let no timer fire", async () => {
  const { stage, outcomes, lease } = await granted(3);
  const second = await next(stage, lease, outcomes[1]!);
  stage.clock.pass(50);
  await settled(stage, second.release());
  assert.deepEqual([states(outcomes), stage.released], ["ggw", [1]]);
});

test("no more tokens are handed on than were granted", async () => {
  const { stage, outcomes, lease } = await granted(3, 81);
  const second = await next(stage, lease, outcomes[1]!);
  await settled(stage, second.release());
  await stage.clock.settle();
  assert.deepEqual([second.fencingToken, states(outcomes), stage.released], [81, "ggw", [1]]);
});

const doubts: Record<string, (stage: WaitingStage) => void> = {
  "trust has lapsed": (stage) => stage.clock.pass(TRUST),
  "something happened that was not told yet": (stage) => void stage.cells.raiseEpoch(),
  "its session was condemned": (stage) => stage.change("condemned", { sessionId: "locker.2" }),
  "it is believed no more": (stage) => {
    stage.clock.pass(LOCK_TTL);
    stage.trust();
  },
  "it was revoked": (stage) => stage.holdings.revoke(1, 80),
};

for (const [why, act] of Object.entries(doubts)) {
  test(`a lease is not handed on when ${why}`, async () => {
    const { stage, outcomes, lease } = await granted(3);
    stage.queuedBehind("other.2");
    stage.store.answers.reown = () => ({ status: "lost", lease: undefined });
    act(stage);
    const releasing = stage.holdings.release(lease);
    await stage.clock.settle();
    stage.change("resumed");
    await stage.pass(1_500);
    await releasing;
    assert.equal(states(outcomes), "gww");
    assert.ok(stage.released.includes(1));
    assert.equal(asked(stage).at(-1)?.leaseNumber, 2);
  });
}

test("who is handed a lease believes it no longer than its giver did", async () => {
  const { stage, outcomes, lease } = await granted(2);
  stage.clock.pass(20);
  const second = await next(stage, lease, outcomes[1]!);
  assert.equal(second.renewedMs, lease.renewedMs);
  stage.clock.pass(lease.endsMs - LOCK_TTL / 8 - stage.clock.monoMs());
  stage.trust();
  assert.equal(second.state, "unsure");
});

test("a handed-on lease is renewed and re-asserted by the store's own token, with the block's end", async () => {
  const { stage, outcomes, lease } = await granted(2, 85);
  const second = await next(stage, lease, outcomes[1]!);
  await stage.pass(LOCK_TTL / 5, second);
  assert.deepEqual(stage.store.sent("renew")[0]?.batch[0]?.fencingToken, 80);
  stage.change("reentered", { era: "era2" });
  await stage.clock.settle();
  const [reassert] = stage.store.sent("reassert")[0]?.batch ?? [];
  assert.deepEqual([reassert?.fencingToken, reassert?.lastToken, reassert?.trace], [80, 85, "1"]);
  assert.equal(second.state, "held");
});

test("an answer that was asked for by the giver counts for the receiver", async () => {
  const { stage, outcomes, lease } = await granted(2);
  stage.clock.pass(1);
  await lease.heartbeat();
  stage.store.hold();
  stage.clock.pass(40);
  lease.renewedMs -= LOCK_TTL / 5; // as after a long time
  stage.holdings.look();
  await stage.clock.settle();
  const second = await next(stage, lease, outcomes[1]!);
  stage.store.answers.renew = () => ({ status: "lost", lease: undefined });
  stage.store.let();
  await stage.pass(100);
  assert.equal(stage.lossOf(second), "expired");
});

test("a job that fails hands on as well", async () => {
  const { stage, outcomes, lease } = await granted(2);
  await settled(stage, stage.holdings.release(lease, true));
  await stage.clock.settle();
  assert.equal(states(outcomes), "gg");
});
