import assert from "node:assert/strict";
import test from "node:test";
import { GiveBack } from "../src/give-back.js";
import { HoldingsStage } from "./support/holdings-stage.js";
import { unreachable } from "./support/scripted-leases.js";

function stage() {
  const made = new HoldingsStage();
  const ended = new AbortController();
  const giveBack = new GiveBack(made.store, made.session, made.clock, ended.signal);
  const { clock, store } = made;
  return { clock, store, giveBack, ended, asked: () => store.sent("release").length };
}

test("what is given back in one turn travels as one command, and each hears its own answer", async () => {
  const { clock, giveBack, store } = stage();
  const answers = Promise.all([giveBack.request("a", 1), giveBack.request("b", 2)]);
  await clock.settle();
  assert.deepEqual(
    store.sent("release").map(({ batch }) => batch),
    [
      [
        { key: "a", leaseNumber: 1 },
        { key: "b", leaseNumber: 2 },
      ],
    ],
  );
  assert.deepEqual(await answers, [{ status: "released" }, { status: "released" }]);
});

test("a release is asked for until it was answered, with a pause, and not without a connection", async () => {
  const { clock, giveBack, store, asked } = stage();
  store.answers.release = unreachable;
  store.isUp = false;
  let answer: unknown;
  void giveBack.request("a", 1).then((given) => (answer = given));
  await clock.advance(10_000);
  assert.equal(asked(), 1);
  store.up();
  await clock.advance(1_000);
  assert.ok(asked() >= 5 && asked() <= 30, `${asked()} times in a second`);
  delete store.answers.release;
  await clock.advance(100);
  assert.deepEqual(answer, { status: "released" });
  await giveBack.settled();
  assert.equal(clock.pending, 0);
});

test("a refusal of the whole command is no answer either", async () => {
  const { clock, giveBack, store, asked } = stage();
  store.refusals.release = "generation";
  void giveBack.request("a", 1);
  await clock.advance(1_000);
  assert.ok(asked() >= 2 && asked() <= 30, `${asked()} times in a second`);
  delete store.refusals.release;
  await clock.advance(200);
  await giveBack.settled();
});

test("it is sent only once what is still under way for its lease was answered, in whatever way", async () => {
  for (const outcome of ["resolve", "reject"] as const) {
    const { clock, giveBack, asked } = stage();
    const settle = { resolve: () => {}, reject: () => {} };
    const underWay = new Promise<void>((resolve, reject) => {
      Object.assign(settle, { resolve, reject: () => reject(new Error("no answer")) });
    });
    void giveBack.request("a", 1, underWay);
    await clock.advance(1_000);
    assert.equal(asked(), 0);
    settle[outcome]();
    await clock.settle();
    assert.equal(asked(), 1);
  }
});

test("when the locker ends it is no longer asked for, and nobody waits for it", async () => {
  const { clock, giveBack, store, ended, asked } = stage();
  store.answers.release = unreachable;
  const answer = giveBack.request("a", 1);
  await clock.advance(500);
  ended.abort();
  await clock.settle();
  assert.equal(await answer, undefined);
  const before = asked();
  await giveBack.settled();
  await clock.advance(10_000);
  assert.equal(asked(), before);
  assert.equal(clock.pending, 0);
});
