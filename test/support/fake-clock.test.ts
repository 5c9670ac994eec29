import assert from "node:assert/strict";
import test from "node:test";
import { wait } from "../../src/clock.js";
import { FakeClock } from "./fake-clock.js";

test("timers fire in the order of their times, then of their making, with the clock at their time", async () => {
  const clock = new FakeClock({ monoMs: 0 });
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name} at ${clock.monoMs()}`);
  clock.timer(20, note("late"));
  clock.timer(10, note("first"));
  clock.timer(10, note("second"));
  clock.timer(31, note("too late"));
  await clock.advance(30);
  assert.deepEqual(fired, ["first at 10", "second at 10", "late at 20"]);
  assert.equal(clock.monoMs(), 30);
  assert.equal(clock.pending, 1);
});

test("what a timer sets off is done before the next timer fires, at its own time", async () => {
  const clock = new FakeClock({ monoMs: 0 });
  const seen: string[] = [];
  clock.timer(10, () => {
    void Promise.resolve().then(() => seen.push(`promise at ${clock.monoMs()}`));
    clock.afterInput(() => seen.push("after input"));
    clock.timer(5, () => seen.push(`timer of a timer at ${clock.monoMs()}`));
  });
  clock.timer(16, () => seen.push("next timer"));
  await clock.advance(100);
  assert.deepEqual(seen, ["promise at 10", "after input", "timer of a timer at 15", "next timer"]);
});

test("what waits for the end of the input runs after every promise, and may start another round", async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  clock.afterInput(() => {
    seen.push("round 1");
    clock.afterInput(() => seen.push("round 2"));
    void Promise.resolve().then(() => seen.push("promise of round 1"));
  });
  void Promise.resolve()
    .then(() => undefined)
    .then(() => seen.push("promise"));
  await clock.settle();
  assert.deepEqual(seen, ["promise", "round 1", "promise of round 1", "round 2"]);
});

test("a cancelled timer never fires, also when cancelled by one that fires at the same time", async () => {
  const clock = new FakeClock();
  let fired = 0;
  clock.timer(10, () => second.cancel());
  const second = clock.timer(10, () => (fired += 1));
  await clock.advance(20);
  assert.equal(fired, 0);
  assert.equal(clock.pending, 0);
});

test("the clocks can part: the wall clock is set, or both pass with nothing running", async () => {
  const clock = new FakeClock({ monoMs: 100, wallMs: 1_000 });
  clock.stepWall(-400);
  assert.deepEqual([clock.monoMs(), clock.wallMs()], [100, 600]);
  let firedAtMs = 0;
  void wait(clock, 10).then(() => (firedAtMs = clock.monoMs()));
  clock.pass(50);
  assert.equal(firedAtMs, 0);
  await clock.advance(0);
  assert.equal(firedAtMs, 150, "an overdue timer fires when the process runs again");
});

test("one seed gives one sequence of chances", () => {
  const [left, right] = [new FakeClock({ seed: 7 }), new FakeClock({ seed: 7 })];
  const draw = (clock: FakeClock) => Array.from({ length: 5 }, () => clock.random());
  assert.deepEqual(draw(left), draw(right));
});
