import assert from "node:assert/strict";
import test from "node:test";
import type { Outcome } from "../support/acquisition-stage.js";
import { settled, WaitingStage } from "../support/waiting-stage.js";

const ten = (perProcess: number, take = 1) =>
  ({ mode: "permits", permits: { limit: 10, take, perProcess }, waitMs: Infinity }) as const;

const states = (outcomes: readonly Outcome[]): string => outcomes.map(({ is }) => is[0]).join("");

test("a process has no more permits of a key than its callers said, and asks for no more", async () => {
  const stage = new WaitingStage();
  const outcomes = [1, 1, 2, 1].map((take) => stage.acquire(ten(3, take)));
  await stage.pass(2_000);
  assert.deepEqual([states(outcomes), stage.asked], ["ggww", 1]);
  const asked = stage.store.sent("acquire").flatMap(({ batch }) => batch.map(({ permits }) => permits));
  assert.deepEqual(
    asked,
    [1, 1].map((take) => ({ limit: 10, take })),
  );
  await settled(stage, stage.hold(outcomes[0]!).release());
  assert.deepEqual([states(outcomes), stage.released], ["gggw", [1]], "whoever came first is served first");
  await settled(stage, stage.hold(outcomes[1]!).release());
  assert.equal(states(outcomes), "gggg");
});

test("a process that may have all permits is held back by nobody but the store", async () => {
  const stage = new WaitingStage();
  const outcomes = Array.from({ length: 12 }, () => stage.acquire(ten(10)));
  await stage.clock.settle();
  assert.deepEqual([states(outcomes), stage.store.sent("acquire")[0]?.batch.length], ["g".repeat(12), 12]);
});

test("who does not wait, or no longer, is told of a lease of this process", async () => {
  const stage = new WaitingStage();
  const first = stage.acquire(ten(1));
  const late = [stage.acquire({ ...ten(1), waitMs: 0 }), stage.acquire({ ...ten(1), waitMs: 700 })];
  await stage.clock.settle();
  const { leaseNumber } = stage.hold(first);
  assert.equal(states([first, ...late]), "gbw");
  await stage.pass(700);
  assert.equal(states([first, ...late]), "gbb");
  const [busy] = late;
  assert.ok(busy?.acquired && "holder" in busy.acquired);
  assert.deepEqual([busy.acquired.holder.sessionId, leaseNumber], ["locker.1", 1]);
});

test("whoever could not have its permits leaves them to the next of this process", async () => {
  const stage = new WaitingStage();
  stage.heldBy("other.1");
  const abort = new AbortController();
  const first = stage.acquire({ ...ten(1), waitMs: 0 });
  const second = stage.acquire({ ...ten(1), signals: [abort.signal] });
  const third = stage.acquire(ten(1));
  await stage.clock.settle();
  assert.equal(states([first, second, third]), "bww");
  abort.abort(new Error("enough"));
  stage.free();
  await stage.pass(1_000);
  assert.deepEqual([second.is, third.is], ["enough", "granted"]);
});
