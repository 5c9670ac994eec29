import assert from "node:assert/strict";
import test from "node:test";
import type { ProcessProof } from "../../src/takeover.js";
import { WaitingStage } from "../support/waiting-stage.js";

/** A first waiter, a second after it has queued. */
async function watching(more: Parameters<WaitingStage["queuedBehind"]>[1] = {}, prove?: () => ProcessProof) {
  const stage = new WaitingStage(prove);
  stage.queuedBehind("other.1", { isFirst: true, ...more });
  const outcome = stage.wait();
  await stage.pass(1_000);
  return { stage, outcome };
}

test("the first of the queue looks at the holder once a second, and costs the store 2.5 commands", async () => {
  const { stage } = await watching();
  const [read, asked] = [stage.store.read.length, stage.asked];
  await stage.pass(60_000);
  const looks = stage.store.read.length - read;
  assert.ok(looks >= 59 && looks <= 61, `${looks} looks in a minute`);
  assert.ok(looks + stage.asked - asked <= 150, `${looks} looks and ${stage.asked - asked} askings in a minute`);
});

test("a holder that may be without its connection for less than a second is looked at as often", async () => {
  const { stage } = await watching();
  stage.store.session = { disconnectGraceMs: 300 };
  await stage.pass(1_000);
  const { length } = stage.store.read;
  await stage.pass(6_000);
  const looks = stage.store.read.length - length;
  assert.ok(looks >= 19 && looks <= 21, `${looks} looks in 6 s`);
});

test("a holder that can be judged sooner is looked at sooner, and taken from as soon as it is dead", async () => {
  const { stage, outcome } = await watching();
  Object.assign(stage.store, { session: { silentMs: 9_700, sessionTtlMs: 10_000 }, steadyMs: 60_000 });
  await stage.pass(1_000); // it is found to be almost dead
  stage.store.session = { silentMs: 10_001 };
  stage.store.onCondemn = () => {
    stage.grants(81);
    return { status: "condemned", reason: "silent" };
  };
  await stage.pass(330);
  assert.equal(outcome.is, "granted");
  assert.deepEqual(stage.store.sent("acquire").at(-1)?.batch[0]?.replace, [{ sessionId: "other.1", fencingToken: 70 }]);
});

test("a process of this host that dies is found within 100 ms, and nothing is asked for it before", async () => {
  let proof: ProcessProof = "alive";
  const { stage, outcome } = await watching({}, () => proof);
  stage.store.onCondemn = () => {
    stage.grants(81);
    return { status: "condemned", reason: "proof" };
  };
  const { length } = stage.store.read;
  await stage.clock.advance(5);
  proof = "dead";
  stage.store.session = { connectionGone: true };
  await stage.pass(100);
  assert.deepEqual([outcome.is, stage.store.condemned[0]?.proof], ["granted", true]);
  assert.equal(stage.store.read.length, length + 1);
});

test("another holder is looked at as soon as an asking has named it", async () => {
  const { stage } = await watching();
  stage.queuedBehind("another.1", { isFirst: true });
  await stage.pass(1_000);
  const { asked } = stage;
  const of = stage.store.read.filter((id) => id === "another.1").length;
  assert.ok(asked >= 2 && of >= 1, `${asked} askings, ${of} looks`);
});

test("who holds the key in this very process is not looked at: it lives", async () => {
  const stage = new WaitingStage();
  const own = stage.lease();
  stage.queuedBehind("locker.1", { isFirst: true, leaseNumber: own.leaseNumber });
  const outcome = stage.wait();
  await stage.pass(5_000);
  assert.deepEqual([outcome.is, stage.store.read, stage.released], ["waits", [], []]);
});

test("waiters before it that are dead are named in its next asking, those that live are not", async () => {
  const unfit = ["a", "b", "c"].map((name) => ({ leaseId: `${name}#1`, sessionId: `${name}.1` }));
  const stage = new WaitingStage();
  stage.queuedBehind("other.1", { isFirst: true, unfit });
  stage.store.sessions["b.1"] = { state: "condemned" };
  stage.wait();
  await stage.pass(6_000);
  const named = stage.store.sent("acquire").flatMap(({ batch }) => batch[0]?.wait?.dead ?? []);
  assert.deepEqual(new Set(named), new Set([unfit[1]]));
  assert.ok(["a.1", "b.1", "c.1"].every((id) => stage.store.read.includes(id)));
});

test("of a group each is judged by itself, and all that are dead are replaced in one step", async () => {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1", { isFirst: true });
  const holders = ["dead.1", "living.1", "dead.2"].map((sessionId) => stage.holder({ sessionId }));
  stage.store.answers.acquire = () => ({ status: "queued", holders, isFirst: true, unfit: [], ticket: 1 });
  for (const id of ["dead.1", "dead.2"]) stage.store.sessions[id] = { state: "condemned" };
  stage.wait();
  await stage.pass(100);
  const replaced = stage.store.sent("acquire")[1]?.batch[0]?.replace;
  assert.deepEqual(
    replaced?.map(({ sessionId }) => sessionId),
    ["dead.1", "dead.2"],
  );
});

test("of many holders all are looked at, and one of this host that dies is found within 100 ms", async () => {
  let dead = "";
  const stage = new WaitingStage(({ sessionId }) => (sessionId === dead ? "dead" : "alive"));
  const holders = Array.from({ length: 40 }, (_unused, i) =>
    stage.holder({ sessionId: `of-${i % 20}.1`, leaseNumber: i }),
  );
  stage.store.holders = holders;
  stage.store.session = { connectionGone: true };
  stage.store.answers.acquire = () => ({
    status: "queued",
    holders: holders.slice(0, 8),
    isFirst: true,
    unfit: [],
    ticket: 1,
  });
  stage.store.onCondemn = () => ({ status: "condemned", reason: "proof" });
  stage.wait();
  await stage.pass(100);
  assert.equal(stage.store.read.length, 20, "each session once");
  dead = "of-19.1";
  await stage.pass(110);
  const replaced = stage.store.sent("acquire").at(-1)?.batch[0]?.replace;
  assert.deepEqual(replaced, [{ sessionId: dead, fencingToken: 70 }]);
});

test("a lease that is kept after its job's end is nobody's to judge", async () => {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1", { isFirst: true });
  const holders = [stage.holder({ isKept: true })];
  stage.store.answers.acquire = () => ({ status: "queued", holders, isFirst: true, unfit: [], ticket: 1 });
  stage.store.session = { state: "condemned" };
  const outcome = stage.wait();
  await stage.pass(5_000);
  assert.deepEqual([outcome.is, stage.store.condemned], ["waits", []]);
});

test("who becomes the first asks within 100 ms who holds the key, unless it was the first already", async () => {
  const { stage } = await watching({ isFirst: false });
  for (const [isFirst, more] of [
    [false, 1],
    [true, 0],
  ] as const) {
    stage.queuedBehind("other.1", { isFirst: true });
    const { asked } = stage;
    stage.pushFirst();
    await stage.pass(110);
    assert.equal(stage.asked - asked, more, isFirst ? "it knows" : "it hears");
    await stage.pass(10);
  }
});

test("being told again and again that it is the first does not put its asking off", async () => {
  const { stage } = await watching({ isFirst: false });
  const { asked } = stage;
  for (let i = 0; i < 6; i++) {
    stage.pushFirst();
    await stage.pass(50);
  }
  assert.ok(stage.asked - asked >= 2, `${stage.asked - asked} askings in 300 ms`);
});
