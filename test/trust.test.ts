import assert from "node:assert/strict";
import test from "node:test";
import {
  decideReentry,
  driftMs,
  leaseBelievedFromMs,
  leaseBelievedUntilMs,
  marginMs,
  offsetInterval,
  recoveryMsMin,
  steppedForwardMs,
  trustMs,
} from "../src/trust.js";
import { mulberry32, seed } from "./support/wait.js";

test("the margin is an eighth of the limit, at least 200 ms", () => {
  assert.deepEqual([800, 1_600, 1_608, 10_000, 300_000].map(marginMs), [200, 200, 201, 1_250, 37_500]);
});

test("trust ends a margin before the shortest silence that may condemn", () => {
  assert.equal(trustMs(1_500), 1_300);
  assert.equal(trustMs(8_000), 7_000);
});

test("the drift that still counts as steady is half a margin, rounded down", () => {
  assert.equal(driftMs(1_500), 100);
  assert.equal(driftMs(1_616), 101);
  assert.equal(driftMs(1_620), 101);
});

test("a lease is believed for its time to live less a margin, counted from the sending of its renewal", () => {
  assert.equal(leaseBelievedUntilMs(1_000, 300_000), 263_500);
  assert.equal(leaseBelievedUntilMs(1_000, 1_000), 1_800);
});

test("a wall clock set back by more than the margin can no longer tell how long a lease has lived", () => {
  assert.equal(leaseBelievedFromMs(1_000_000, 300_000), 962_500);
  assert.equal(leaseBelievedFromMs(1_000_000, 1_000), 999_800);
});

test("the least recovery window outlives every trust by two pings, rounded up", () => {
  assert.equal(recoveryMsMin(1_500, 500), 2_300);
  assert.equal(recoveryMsMin(1_700, 500), 2_488, "1 487.5 ms of trust");
});

test("the offset between the clocks lies between what the sending and the receiving of a ping allow", () => {
  assert.deepEqual(offsetInterval(10_000, 100, 130), { low: 9_870, high: 9_901 });
});

test("a step forward is as much as no delay of either ping can explain", () => {
  const before = offsetInterval(10_000, 100, 130);
  assert.equal(steppedForwardMs(before, offsetInterval(10_500, 600, 601)), 0, "the same pace");
  assert.equal(steppedForwardMs(before, offsetInterval(12_500, 600, 2_630)), 0, "executed late, answered late");
  assert.equal(steppedForwardMs(before, offsetInterval(10_632, 600, 630)), 101, "no delay explains this one");
  assert.equal(steppedForwardMs(before, offsetInterval(3_000, 600, 630)), 0, "a step back is no step forward");
});

test("however late pings are, a store whose clock does not step is never found to have stepped", () => {
  const random = mulberry32(seed());
  for (let i = 0; i < 2_000; i++) {
    const offsetMs = random() * 1e12;
    const ping = (sentMs: number) => {
      const executedMs = sentMs + random() * 5_000;
      return offsetInterval(Math.floor(executedMs + offsetMs), sentMs, executedMs + random() * 5_000);
    };
    const firstMs = random() * 1e6;
    const stepped = steppedForwardMs(ping(firstMs), ping(firstMs + random() * 20_000));
    assert.ok(stepped < 1e-3, `${stepped} ms in round ${i}`); // what is left is the rounding of numbers that large
  }
});

test("a step is found for at least as much as both pings were quick", () => {
  const random = mulberry32(seed());
  for (let i = 0; i < 2_000; i++) {
    const [latencyMs, stepMs] = [random() * 10, random() * 10_000];
    const before = offsetInterval(1_000_000, 500, 500 + latencyMs);
    const after = offsetInterval(Math.floor(1_000_500 + stepMs), 1_000, 1_000 + latencyMs);
    assert.ok(steppedForwardMs(before, after) >= stepMs - 2 * latencyMs - 3);
    assert.ok(steppedForwardMs(before, after) <= stepMs + 1e-6);
  }
});

test("a session that is trusted when it hears of the loss re-enters trusted, whatever else is known", () => {
  const facts = {
    hasServed: true,
    isTrusted: true,
    servedGapMs: undefined,
    ranMs: 0,
    trustMs: 1_300,
    isVouched: false,
  };
  assert.equal(decideReentry(facts), "trusted");
  assert.equal(decideReentry({ ...facts, hasServed: false }), "refused", "that trust was earned by an earlier run");
});

test("a session that stood still comes back only if it had asked in vain for long, and by the store's data", () => {
  const facts = { hasServed: true, isTrusted: false, servedGapMs: 500, isVouched: false, trustMs: 1_300 };
  assert.equal(decideReentry({ ...facts, ranMs: 1_300 }), "silent");
  assert.equal(decideReentry({ ...facts, ranMs: 1_299 }), "refused");
});

test("a session whose trust has lapsed re-enters provisionally when it was served until its connection broke", () => {
  const facts = { hasServed: true, isTrusted: false, ranMs: Infinity, isVouched: false, trustMs: 1_300 };
  assert.equal(decideReentry({ ...facts, servedGapMs: 1_299 }), "provisional");
  assert.equal(decideReentry({ ...facts, servedGapMs: 1_300 }), "silent", "that break tells nothing");
  assert.equal(decideReentry({ ...facts, servedGapMs: undefined }), "silent", "its connection never broke: a stall");
  assert.equal(decideReentry({ ...facts, servedGapMs: 1_299, hasServed: false }), "refused");
  const vouched = { ...facts, servedGapMs: undefined, ranMs: 0, isVouched: true };
  assert.equal(decideReentry(vouched), "vouched", "whatever it did: another store knows that nobody condemned it");
});
