import assert from "node:assert/strict";
import test from "node:test";
import { Batch, BATCH_MAX } from "../src/batch.js";
import { FakeClock } from "./support/fake-clock.js";

function doubling(clock = new FakeClock()) {
  const sent: number[][] = [];
  const batch = new Batch<number, number>(clock, (requests) => {
    sent.push([...requests]);
    return Promise.resolve(requests.map((n) => 2 * n));
  });
  return { clock, sent, batch };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("what is asked for in one turn travels as one command, and each gets its own answer", async () => {
  const { clock, sent, batch } = doubling();
  const answers = Promise.all([batch.add(3), batch.add(1), batch.add(2)]);
  assert.deepEqual(sent, [], "nothing is sent before the turn is over");
  await clock.settle();
  assert.deepEqual(sent, [[3, 1, 2]]);
  assert.deepEqual(await answers, [6, 2, 4]);
});

test("a command carries at most 64 elements", async () => {
  const { clock, sent, batch } = doubling();
  const answers = Promise.all(numbers(2 * BATCH_MAX + 1).map((n) => batch.add(n)));
  await clock.settle();
  assert.deepEqual(
    sent.map(({ length }) => length),
    [64, 64, 1],
  );
  assert.deepEqual(
    await answers,
    numbers(129).map((n) => 2 * n),
  );
});

test("exactly 64 elements are one command", async () => {
  const { clock, sent, batch } = doubling();
  const answers = Promise.all(numbers(BATCH_MAX).map((n) => batch.add(n)));
  await clock.settle();
  assert.equal(sent.length, 1);
  await answers;
});

test("what is asked for while a command is under way travels in the next one", async () => {
  const { clock, sent, batch } = doubling();
  const first = batch.add(1);
  await clock.settle();
  const second = batch.add(2);
  await clock.settle();
  assert.deepEqual(sent, [[1], [2]]);
  assert.deepEqual(await Promise.all([first, second]), [2, 4]);
});

test("a flush sends at once, and the turn's end sends only what came after it", async () => {
  const { clock, sent, batch } = doubling();
  const first = batch.add(1);
  batch.flush();
  assert.deepEqual(sent, [[1]]);
  const second = batch.add(2);
  await clock.settle();
  assert.deepEqual(sent, [[1], [2]]);
  batch.flush();
  await clock.settle();
  assert.equal(sent.length, 2, "an empty flush sends nothing");
  await Promise.all([first, second]);
});

test("an error reaches each element of its command and none of another", async () => {
  const clock = new FakeClock();
  const cause = new Error("no answer");
  const batch = new Batch<number, number>(clock, (requests) =>
    requests.includes(0) ? Promise.reject(cause) : Promise.resolve(requests),
  );
  const outcomes = Promise.allSettled(numbers(BATCH_MAX + 1).map((n) => batch.add(n)));
  await clock.settle();
  const settled = await outcomes;
  assert.ok(settled.slice(0, BATCH_MAX).every((o) => o.status === "rejected" && o.reason === cause));
  assert.deepEqual(settled[BATCH_MAX], { status: "fulfilled", value: BATCH_MAX });
});

test("a sender that throws before it sends rejects its elements like one that fails later", async () => {
  const clock = new FakeClock();
  const batch = new Batch<number, number>(clock, () => {
    throw new Error("not trusted");
  });
  const outcome = assert.rejects(batch.add(1), /not trusted/);
  await clock.settle();
  await outcome;
});
