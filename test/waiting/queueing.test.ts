import assert from "node:assert/strict";
import test from "node:test";
import { readInstant } from "../../src/clock.js";
import { ACQUIRE_TIMEOUT } from "../support/acquisition-stage.js";
import { LOCK_TTL, TRUST } from "../support/holdings-stage.js";
import { FIT_FOR, WaitingStage } from "../support/waiting-stage.js";
import { unreachable } from "../support/scripted-leases.js";

function waiting(more: Parameters<WaitingStage["wait"]>[0] = {}) {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1");
  const outcome = stage.wait(more);
  return { stage, outcome };
}

test("who has patience queues, under one number, and asks again every 500 to 1,000 ms", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(60_000);
  assert.equal(outcome.is, "waits");
  assert.ok(stage.asked >= 60 && stage.asked <= 120, `asked ${stage.asked} times in a minute`);
  const requests = stage.store.sent("acquire").flatMap(({ batch }) => batch);
  assert.deepEqual(new Set(requests.map(({ leaseNumber }) => leaseNumber)), new Set([1]));
  assert.deepEqual(requests[0]?.wait, { fitForMs: FIT_FOR, dead: [] });
  assert.deepEqual(stage.store.read, [], "only the first looks at the holder");
});

test("who has none does not queue", async () => {
  const stage = new WaitingStage();
  stage.heldBy("other.1");
  const outcome = stage.acquire();
  await stage.clock.settle();
  assert.equal(outcome.is, "busy");
  assert.equal(stage.store.sent("acquire")[0]?.batch[0]?.wait, undefined);
  assert.deepEqual(stage.released, [], "it has no place to give up");
});

test("a lock TTL that is short has its waiter ask five times within it", async () => {
  const { stage } = waiting({ lockTtlMs: 2_000 });
  await stage.pass(10_000);
  assert.ok(stage.asked >= 25, `asked ${stage.asked} times`);
});

test("a push is a grant at once, believed from when the last answer before it was asked for", async () => {
  const { stage, outcome } = waiting({ trace: "why" });
  const queued = stage.store.answers.acquire;
  let sent = readInstant(stage.clock);
  stage.store.answers.acquire = (command) => {
    sent = readInstant(stage.clock);
    return queued?.(command);
  };
  await stage.pass(5_000);
  const { asked } = stage;
  stage.push({ lastToken: 85 });
  await stage.clock.settle();
  assert.ok(outcome.acquired && "grant" in outcome.acquired);
  const { tenure: _tenure, ...grant } = outcome.acquired.grant;
  assert.deepEqual(grant, {
    ...{ key: "key", mode: "exclusive", permits: undefined, lockTtlMs: LOCK_TTL, minHoldMs: 0, trace: "why" },
    ...{ leaseNumber: 1, fencingToken: 80, recordToken: 80, lastToken: 85, acquiredAtMs: 5_000 },
    ...{ sessionId: "locker.1", era: "era1", epoch: 1, sent },
  });
  assert.equal(stage.asked, asked, "nothing more is asked");
  assert.ok(stage.clock.monoMs() > sent.monoMs);
  assert.deepEqual(stage.released, []);
  assert.equal(stage.clock.pending, 0);
});

const worthless: Record<string, (stage: WaitingStage) => void> = {
  "is for another session": (stage) => stage.push({ sessionId: "locker.0" }),
  "is of another era": (stage) => stage.push({ era: "era0" }),
  "comes after a change that has not been told yet": (stage) => {
    stage.cells.raiseEpoch();
    stage.push();
    stage.change("taken");
  },
  "comes after a change of the same session that was asked about by nobody": (stage) => {
    stage.change("taken");
    stage.push();
  },
};

for (const [what, act] of Object.entries(worthless)) {
  test(`a push that ${what} is only a reason to ask at once`, async () => {
    const { stage, outcome } = waiting();
    await stage.pass(100);
    const { asked } = stage;
    act(stage);
    await stage.clock.settle();
    assert.deepEqual([stage.asked, outcome.is], [asked + 1, "waits"]);
    stage.grants(81);
    await stage.pass(1_000);
    assert.equal(outcome.is, "granted");
  });
}

test("a push that comes without trust does not count, and once there is trust the store is asked", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(100);
  stage.clock.pass(TRUST);
  stage.push();
  await stage.clock.settle();
  assert.deepEqual([stage.asked, outcome.is], [1, "waits"]);
  stage.grants(80);
  stage.session.receive({ type: "trusted", recovering: false, recoveryMs: 2_500 });
  await stage.clock.settle();
  assert.deepEqual([stage.asked, outcome.is], [1, "waits"]);
  stage.change("resumed");
  await stage.clock.settle();
  assert.deepEqual([stage.asked, outcome.is], [2, "granted"]);
});

test("a push that would leave less than half the lock TTL is asked for again instead", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(100);
  stage.store.hold(); // the next asking finds no answer for long
  stage.clock.pass(LOCK_TTL / 2);
  stage.trust();
  stage.push();
  stage.grants(80);
  stage.store.let();
  await stage.clock.settle();
  assert.ok(outcome.acquired && "grant" in outcome.acquired);
  assert.equal(outcome.acquired.grant.sent.monoMs, stage.clock.monoMs());
});

for (const [what, fencingToken, expected] of [
  ["that named an older holder counts: it is the younger of the two", 71, [1, "granted"]],
  ["that named a later holder does not: somebody took the key since", 69, [2, "waits"]],
  ["that named its own token does not: readers share theirs", 70, [2, "waits"]],
] as const) {
  test(`a push that comes beside an answer ${what}`, async () => {
    const { stage, outcome } = waiting();
    stage.store.hold();
    await stage.clock.settle();
    stage.push({ fencingToken });
    stage.store.let(); // "queued", behind the token 70
    await stage.clock.settle();
    assert.deepEqual([stage.asked, outcome.is], expected);
  });
}

test("a grant that nobody was told of is found by the next asking", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(2_000);
  stage.grants(80);
  await stage.pass(1_000);
  assert.equal(outcome.is, "granted");
});

test("a push for a number that nobody waits under changes nothing", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(100);
  stage.push({ leaseNumber: 7 });
  await stage.clock.settle();
  assert.deepEqual([outcome.is, stage.asked, stage.released.length], ["waits", 1, 0]);
});

test("an abort ends the wait, and gives the place back with whatever was granted on it", async () => {
  const abort = new AbortController();
  const { stage, outcome } = waiting({ signals: [abort.signal] });
  await stage.pass(2_000);
  abort.abort(new Error("enough"));
  await stage.clock.settle();
  assert.deepEqual([outcome.is, stage.released], ["enough", [1]]);
  stage.push();
  await stage.pass(5_000);
  assert.equal(outcome.is, "enough");
  assert.equal(stage.clock.pending, 0);
});

test("whose time is up is told who holds the key, and leaves the queue", async () => {
  const { stage, outcome } = waiting({ waitMs: 1_700 });
  await stage.pass(1_699);
  assert.equal(outcome.is, "waits");
  await stage.clock.advance(1);
  assert.ok(outcome.acquired && "holder" in outcome.acquired);
  assert.equal(outcome.acquired.holder.sessionId, "other.1");
  assert.deepEqual(stage.released, [1]);
  await stage.clock.advance(100);
  assert.equal(stage.clock.pending, 0);
});

test("whose time is up before the store has said anything is told once it has", async () => {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1");
  stage.store.hold();
  const outcome = stage.wait({ waitMs: 100 });
  await stage.pass(1_000);
  assert.equal(outcome.is, "waits");
  stage.store.let();
  await stage.clock.settle();
  assert.equal(outcome.is, "busy");
});

test("a holder that may be dead is waited for beyond that time, until it can be judged", async () => {
  const { stage, outcome } = waiting({ waitMs: 500 });
  stage.store.session = { silentMs: 60_000 };
  await stage.pass(9_000);
  assert.equal(outcome.is, "waits");
  stage.store.steadyMs = 10_000;
  stage.store.onCondemn = () => {
    stage.grants(81);
    return { status: "condemned", reason: "silent" };
  };
  await stage.pass(400);
  assert.equal(outcome.is, "granted");
  const replace = stage.store.sent("acquire").at(-1)?.batch[0]?.replace;
  assert.deepEqual(replace, [{ sessionId: "other.1", fencingToken: 70 }]);
});

test("who waits in the queue is owed no answer, but who asks is", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(3 * ACQUIRE_TIMEOUT);
  assert.equal(outcome.is, "waits");
  stage.store.answers.acquire = unreachable;
  await stage.pass(ACQUIRE_TIMEOUT - 1);
  assert.equal(outcome.is, "waits");
  await stage.pass(1_001);
  assert.equal(outcome.error?.code, "unreachable");
  assert.deepEqual(stage.released, [1]);
});

test("a condemned waiter asks again under the next session, by the same number", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(2_000);
  stage.change("condemned", { sessionId: "locker.2" });
  await stage.pass(1_000);
  const last = stage.store.sent("acquire").at(-1);
  assert.deepEqual([last?.identity.sessionId, last?.batch[0]?.leaseNumber], ["locker.2", 1]);
  stage.push({ sessionId: "locker.2" });
  await stage.clock.settle();
  assert.equal(outcome.is, "granted");
});
