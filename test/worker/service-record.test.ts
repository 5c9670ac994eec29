import assert from "node:assert/strict";
import test from "node:test";
import { ServiceRecord } from "../../worker/service-record.js";
import { FakeClock } from "../support/fake-clock.js";

const GAP = 1_300;

function record() {
  const clock = new FakeClock();
  const served = new ServiceRecord(clock, GAP);
  const good = () =>
    served.onGood(
      { monoMs: clock.monoMs(), wallMs: clock.wallMs() },
      { era: "era1", eraNumber: 1, nowMs: clock.wallMs() },
    );
  return { clock, served, good };
}

test("without a break there is no gap to speak of", () => {
  const { clock, served, good } = record();
  good();
  clock.pass(10_000);
  assert.equal(served.servedGapMs, undefined);
});

test("the gap lies between the sending of the last good ping and the first break after it", () => {
  const { clock, served, good } = record();
  good();
  clock.pass(700);
  served.onBreak();
  clock.pass(5_000);
  served.onBreak();
  assert.equal(served.servedGapMs, 700);
});

test("a break before the first good ping is no short gap", () => {
  const { served } = record();
  served.onBreak();
  assert.equal(served.servedGapMs, Infinity);
});

test("a good ping makes an earlier break and an earlier standstill past history", () => {
  const { clock, served, good } = record();
  served.onBreak();
  clock.pass(GAP + 1);
  served.onTick();
  good();
  assert.equal(served.servedGapMs, undefined);
  assert.equal(served.ranMs, Infinity);
});

test("of the two clocks the one that says more counts", () => {
  const suspended = record();
  suspended.good();
  suspended.clock.stepWall(60_000); // the monotonic clock stands still while a machine is suspended
  suspended.served.onBreak();
  assert.equal(suspended.served.servedGapMs, 60_000);

  const setBack = record();
  setBack.good();
  setBack.clock.pass(400);
  setBack.clock.stepWall(-60_000);
  setBack.served.onBreak();
  assert.equal(setBack.served.servedGapMs, 400);
});

test("an answer that came too late to be believed tells nobody that the store went on", () => {
  const { clock, served, good } = record();
  good();
  const before = served.lived(true);
  const sent = { monoMs: clock.monoMs(), wallMs: clock.wallMs() };
  clock.pass(GAP);
  served.onBreak();
  served.onGood(sent, { era: "era1", eraNumber: 1, nowMs: clock.wallMs() });
  assert.deepEqual(served.lived(true), before);
  assert.equal(served.servedGapMs, GAP, "nor is the break over");
  const again = { monoMs: clock.monoMs(), wallMs: clock.wallMs() };
  clock.pass(GAP - 1);
  served.onGood(again, { era: "era1", eraNumber: 1, nowMs: clock.wallMs() });
  assert.equal(served.lived(true)?.servedMs, clock.wallMs());
});

test("a tick that is late by more than trust lasts says that this process stood still", () => {
  const { clock, served, good } = record();
  good();
  clock.pass(GAP);
  served.onTick();
  assert.equal(served.ranMs, Infinity);
  clock.pass(GAP + 1);
  served.onTick();
  assert.equal(served.ranMs, GAP);
  clock.pass(100);
  served.onTick();
  clock.pass(GAP + 1);
  served.onTick();
  assert.equal(served.ranMs, GAP, "the first time counts, and nothing but a good ping takes that back");
});

test("a machine that was suspended stood still, though its monotonic clock does not show it", () => {
  const { clock, served, good } = record();
  good();
  clock.pass(500);
  served.onTick();
  clock.pass(400);
  clock.stepWall(GAP);
  assert.equal(served.ranMs, 500, "seen before the next tick, which the standstill puts off");
  served.onTick();
  assert.equal(served.ranMs, 500);
});
