import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { DeadlineError, mulberry32, once, seed, waitUntil, withDeadline } from "./wait.js";

test("a wait returns the first value that satisfies its predicate", async () => {
  let reads = 0;
  const value = await waitUntil(
    () => ++reads,
    (count) => count >= 3,
    { deadlineMs: 2_000, what: "the count" },
  );
  assert.equal(value, 3);
});

test("a wait compares plain expected values deeply", async () => {
  let reads = 0;
  const read = (): Promise<{ owners: string[] }> => Promise.resolve({ owners: ++reads < 2 ? [] : ["a"] });
  await waitUntil(read, { owners: ["a"] }, { deadlineMs: 2_000, what: "the owners" });
});

test("a wait that runs out of time tells the last value it saw", async () => {
  const waiting = waitUntil<string>(() => "held", "free", { deadlineMs: 30, what: "the lock" });
  await assert.rejects(waiting, (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.match(error.message, /the lock: expected to be "free" within 30 ms, last value "held"/);
    return true;
  });
});

test("a wait survives reads that throw, and keeps the last error as the cause", async () => {
  let reads = 0;
  const refuseTwice = (): string => {
    if (++reads <= 2) throw new Error("refused");
    return "PONG";
  };
  assert.equal(await waitUntil(refuseTwice, "PONG", { deadlineMs: 2_000, what: "the reply" }), "PONG");

  const refuse = (): string => {
    throw new Error("refused");
  };
  const waiting = waitUntil(refuse, "PONG", { deadlineMs: 20, what: "the reply" });
  await assert.rejects(waiting, { message: /last read failed: Error: refused/, cause: new Error("refused") });
});

test("a wait whose read hangs ends at its deadline", async () => {
  const never = (): Promise<string> => new Promise(() => undefined);
  await assert.rejects(waitUntil(never, "x", { deadlineMs: 30, what: "the silent peer" }), /the silent peer/);
});

test("a deadline passes results and failures on, and cuts off what never settles", async () => {
  assert.equal(await withDeadline(Promise.resolve(1), 1_000, "quick"), 1);
  await assert.rejects(withDeadline(Promise.reject(new Error("own")), 1_000, "quick"), /own/);
  await assert.rejects(withDeadline(new Promise(() => undefined), 10, "the reply"), /the reply: not within 10 ms/);
});

test("once resolves with the event's arguments and leaves no listener behind", async () => {
  const emitter = new EventEmitter();
  const fired = once(emitter, "lost", { deadlineMs: 1_000, what: "the loss" });
  emitter.emit("lost", "key", 7);
  assert.deepEqual(await fired, ["key", 7]);
  await assert.rejects(once(emitter, "lost", { deadlineMs: 5, what: "the loss" }), /the loss: not within 5 ms/);
  assert.equal(emitter.listenerCount("lost"), 0);
});

test("one seed gives one sequence, spread over [0, 1)", () => {
  const left = mulberry32(seed());
  const right = mulberry32(seed());
  const numbers = Array.from({ length: 2_000 }, left);
  assert.deepEqual(numbers, Array.from({ length: 2_000 }, right));
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  // The mean of 2000 uniform numbers has a standard deviation of 0.0065, so 0.05 is over seven of them.
  assert.ok(Math.abs(mean - 0.5) < 0.05, `mean ${mean}`);
});
