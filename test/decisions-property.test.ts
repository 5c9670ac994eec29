// The pure decisions, for whatever facts fast-check can think of.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { SessionRecord } from "../src/databases/database.js";
import { decideTakeover, type TakeoverFacts } from "../src/takeover.js";
import {
  decideReentry,
  leaseBelievedUntilMs,
  marginMs,
  offsetInterval,
  recoveryMsMin,
  steppedForwardMs,
  trustMs,
} from "../src/trust.js";
import { seed } from "./support/wait.js";

const run = { seed: seed(), numRuns: 2_000 };
const ms = (max = 30_000) => fc.nat({ max });

const holder = fc
  .record({
    silentMs: ms(),
    sessionTtlMs: ms().map((n) => n + 1_001),
    disconnectGraceMs: fc.integer({ min: 400, max: 1_000 }),
  })
  .chain((record) => fc.constantFrom(true, false, undefined).map((connectionGone) => ({ ...record, connectionGone })));

const facts: fc.Arbitrary<TakeoverFacts> = fc.record({
  holder: holder.map((given) => ({ ...given, state: "alive" }) as SessionRecord),
  proof: fc.constantFrom("dead", "alive", "unknown"),
  steadyMs: ms(),
  overlookedMs: fc.oneof(fc.constant(0), ms(5_000)),
  brokenAgoMs: fc.oneof(ms(), fc.constant(Infinity)),
  contenderSessionTtlMs: ms(),
});

/** The same contender, so much later; nobody was heard in between. */
function later(given: TakeoverFacts, byMs: number): TakeoverFacts {
  const silent = { ...given.holder, silentMs: given.holder.silentMs + byMs };
  return { ...given, holder: silent, steadyMs: given.steadyMs + byMs, brokenAgoMs: given.brokenAgoMs + byMs };
}

test("a living record is called dead only past its limits and what the contender overlooks, steady for as long", () => {
  fc.assert(
    fc.property(facts, (given) => {
      const { silentMs, sessionTtlMs, disconnectGraceMs, connectionGone } = given.holder;
      const waitedMs = Math.min(silentMs, given.steadyMs) - given.overlookedMs;
      if (decideTakeover(given).verdict !== "dead") return;
      const silent = waitedMs >= sessionTtlMs;
      const unbroken = given.brokenAgoMs >= given.contenderSessionTtlMs;
      const cutOff = connectionGone === true && unbroken && waitedMs >= disconnectGraceMs;
      assert.ok(silent || cutOff || (given.proof === "dead" && connectionGone !== false));
    }),
    run,
  );
});

test("when another look is said to be worth it, it is: not a ms sooner, and dead by then", () => {
  fc.assert(
    fc.property(facts, (given) => {
      const verdict = decideTakeover(given);
      if (verdict.verdict === "dead" || given.proof === "dead") return; // a proof waits for the socket, not for a limit
      assert.ok(verdict.againInMs > 0 && Number.isFinite(verdict.againInMs));
      assert.equal(decideTakeover(later(given, verdict.againInMs)).verdict, "dead");
      assert.notEqual(decideTakeover(later(given, verdict.againInMs - 1)).verdict, "dead");
    }),
    run,
  );
});

test("whose silence is short of both limits is alive, and never kept waiting for as unsure", () => {
  fc.assert(
    fc.property(facts, (given) => {
      const { silentMs, disconnectGraceMs } = given.holder;
      fc.pre(silentMs < disconnectGraceMs && given.proof !== "dead");
      assert.equal(decideTakeover(given).verdict, "alive");
    }),
    run,
  );
});

test("trust ends a margin before anybody may condemn, and a window outlives all trust from before it", () => {
  const grace = fc.integer({ min: 400, max: 1_800_000 });
  fc.assert(
    fc.property(grace, ms(10_000), ms(1_000_000_000), (graceMs, pingMs, sentMs) => {
      assert.equal(trustMs(graceMs) + marginMs(graceMs), graceMs);
      assert.ok(marginMs(graceMs) >= 200);
      assert.ok(recoveryMsMin(graceMs, pingMs) >= trustMs(graceMs) + 2 * pingMs);
      assert.ok(leaseBelievedUntilMs(sentMs, graceMs) <= sentMs + graceMs - 200);
    }),
    run,
  );
});

test("no delay of a ping or its reply looks like a step of the clock, and a step beyond all delays is seen", () => {
  const ping = fc.record({ afterMs: ms(), upMs: ms(5_000), downMs: ms(5_000) });
  fc.assert(
    fc.property(ping, ping, fc.integer({ min: -1e9, max: 1e9 }), ms(1_000_000), (first, second, offsetMs, stepMs) => {
      const interval = (sentMs: number, { upMs, downMs }: typeof first, storeMs: number) =>
        offsetInterval(Math.floor(sentMs + upMs + storeMs), sentMs, sentMs + upMs + downMs);
      const secondMs = first.afterMs + first.upMs + first.downMs + second.afterMs;
      const before = interval(first.afterMs, first, offsetMs);
      assert.equal(steppedForwardMs(before, interval(secondMs, second, offsetMs)), 0);
      const seenMs = steppedForwardMs(before, interval(secondMs, second, offsetMs + stepMs));
      const delaysMs = first.upMs + first.downMs + second.upMs + second.downMs;
      assert.ok(seenMs <= stepMs && seenMs >= stepMs - delaysMs - 2);
    }),
    run,
  );
});

test("only who is trusted enters a new era as trusted, and who soon stood still does not at all", () => {
  const gap = fc.oneof(ms(5_000), fc.constant(undefined));
  const ran = fc.oneof(ms(5_000), fc.constant(Infinity));
  fc.assert(
    fc.property(fc.boolean(), gap, ran, ms(5_000), (isTrusted, servedGapMs, ranMs, trust) => {
      const reentry = decideReentry({
        ...{ hasServed: true, isTrusted, servedGapMs, ranMs, isVouched: false, trustMs: trust },
      });
      assert.equal(reentry === "trusted", isTrusted);
      const served = servedGapMs !== undefined && servedGapMs < trust;
      const how = served && ranMs === Infinity ? "provisional" : "silent";
      if (!isTrusted) assert.equal(reentry, ranMs < trust ? "refused" : how);
    }),
    run,
  );
});
