import assert from "node:assert/strict";
import test from "node:test";
import { AnswerWatch } from "../../src/databases/answer-watch.js";
import { FakeClock } from "../support/fake-clock.js";

const TIMEOUT = 2_000;

function stage(onSlow?: () => void) {
  const clock = new FakeClock();
  const late: string[] = [];
  const watch = new AnswerWatch(clock, TIMEOUT, (cause) => late.push(cause.message), onSlow);
  /** Sends a command; returns what answers it. */
  const send = (): (() => void) => {
    let answer!: () => void;
    void watch.watch(() => new Promise<void>((resolve) => (answer = resolve)));
    return answer;
  };
  return { clock, late, watch, send };
}

test("a command that stays unanswered for the timeout is late then, and not a moment before", async () => {
  const { clock, late, send } = stage();
  send();
  await clock.advance(TIMEOUT - 1);
  assert.deepEqual(late, []);
  await clock.advance(1);
  assert.deepEqual(late, [`command timed out after ${TIMEOUT} ms`]);
});

test("while an answer does not come somebody may look why, every quarter of the timeout", async () => {
  let looks = 0;
  const { clock, late, send } = stage(() => (looks += 1));
  send()();
  await clock.advance(TIMEOUT);
  assert.equal(looks, 0, "it was answered");
  const sentMs = clock.monoMs();
  send();
  const seen: number[] = [];
  while (late.length === 0) {
    const before = looks;
    await clock.advance(1);
    if (looks > before) seen.push(clock.monoMs() - sentMs);
  }
  assert.deepEqual(seen, [TIMEOUT / 4, TIMEOUT / 2, (TIMEOUT * 3) / 4]);
  assert.equal(clock.monoMs() - sentMs, TIMEOUT);
  assert.equal(clock.pending, 0);
});

test("each command has the whole timeout, counted from when it was sent", async () => {
  const { clock, late, send } = stage();
  const answers: (() => void)[] = [];
  for (let i = 0; i < 10; i++) {
    answers.push(send());
    await clock.advance(TIMEOUT / 4);
    if (i < 9) answers.shift()?.(); // the last one is never answered
    await clock.settle();
  }
  assert.deepEqual(late, []);
  await clock.advance((TIMEOUT * 3) / 4 - 1);
  assert.deepEqual(late, []);
  await clock.advance(1);
  assert.equal(late.length, 1, "the last one, whose timeout is over now");
});

test("an answer that arrived while the event loop was blocked counts, though the timer comes before it", async () => {
  const { clock, late, send } = stage();
  const answer = send();
  const { afterInput } = clock;
  clock.afterInput = (fn) => {
    answer(); // the input that has arrived, which is handled after the timers
    afterInput.call(clock, fn);
  };
  clock.pass(10 * TIMEOUT); // blocked
  await clock.advance(1);
  assert.deepEqual(late, []);
});

test("once all is answered, or it was stopped, no timer is left", async () => {
  const answered = stage();
  answered.send()();
  await answered.clock.advance(TIMEOUT);
  assert.equal(answered.clock.pending, 0);
  const stopped = stage();
  stopped.send();
  stopped.watch.stop();
  assert.equal(stopped.clock.pending, 0);
  await stopped.clock.advance(2 * TIMEOUT);
  assert.deepEqual(stopped.late, []);
});
