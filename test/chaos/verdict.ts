// What a history proves, less what is not promised under the faults that it tells of.

import { checkHistory, type CheckerRules, type FinalValue } from "../history/checker.js";
import { indexHistory } from "../history/history-index.js";
import type { HistoryEvent, Violation } from "../history/history.js";
import { orphansOf } from "../history/liveness-rules.js";
import { slowestLimits } from "./fleets.js";
import { stalls } from "./kinds.js";
import { demanded, intervalsOf, relaxationsOf, type Relaxed } from "./relaxations.js";
import type { Schedule } from "./schedule.js";
import type { Span } from "./starvation.js";

export type Evidence = {
  readonly schedule: Schedule;
  readonly history: readonly HistoryEvent[];
  /** What the harness saw besides the history. */
  readonly found: readonly Violation[];
  readonly finalValues: readonly FinalValue[];
  readonly healedAtMs: number;
  /** When the lockers were told to close. */
  readonly closedAtMs: number;
  readonly starved: readonly Span[];
};

export type Verdict = {
  readonly violations: readonly Violation[];
  readonly relaxed: readonly Relaxed[];
  readonly worstTakeoverMs: number;
};

/** Of these a lease must never be lost, alone or together: everything else may excuse a loss. */
const survived: readonly string[] = [...stalls, "block", "duplicate"];

/** Bounds that a process can only keep when it is let run. */
const timed: readonly string[] = ["S4", "L1", "L3", "L4", "L5", "close"];

/** What a machine that was too busy has delayed comes out so much later at most, ms. */
const hangoverMs = 2_500;

export function judge(evidence: Evidence): Verdict {
  const { history, found } = evidence;
  const relaxed = relaxationsOf(history);
  const all = [...checkHistory(history, rulesOf(evidence)), ...found].toSorted((a, b) => a.atMs - b.atMs);
  const violations = demanded(all, relaxed).filter(
    (violation) => !isStarved(violation, evidence) && !wasStoreAway(violation, evidence),
  );
  return { violations, relaxed, worstTakeoverMs: worstTakeoverMs(history) };
}

function rulesOf({ schedule, finalValues, healedAtMs, closedAtMs }: Evidence): CheckerRules {
  const { locker, database } = slowestLimits(schedule.fleet);
  return {
    finalValues,
    aftermathMs: locker.sessionTtlMs + database.recoveryMs + database.commandTimeoutMs,
    // In the hasty fleet holders rather abort than wait for a store that stands still.
    judgesLosses: schedule.fleet !== "hasty",
    excusesLoss: ({ fault }) => !survived.includes(fault),
    takeoverMs: locker.sessionTtlMs + 1_000 + slackMs,
    noticeMs: slackMs,
    healedAtMs,
    healMs: healMsMax(schedule),
    calmUntilMs: closedAtMs,
    closeMs: 2 * locker.closeTimeoutMs + slackMs,
  };
}

/** For a machine that is busy, but not so busy that nothing can be said, ms. */
const slackMs = 1_000;

/** After the faults: a dead owner is found, a window passes, connections are made again. */
export function healMsMax({ fleet }: Schedule): number {
  const { locker, database } = slowestLimits(fleet);
  return locker.sessionTtlMs + 1_000 + 2 * database.recoveryMs + database.commandTimeoutMs + 4 * slackMs;
}

function isStarved({ rule, atMs }: Violation, { starved, healedAtMs }: Evidence): boolean {
  if (!timed.includes(rule)) return false;
  // What is to come right after the faults is judged by all of the time since then.
  const sinceMs = rule === "L5" ? Math.min(healedAtMs, atMs - hangoverMs) : atMs - hangoverMs;
  return starved.some(({ fromMs, toMs }) => fromMs < atMs && toMs > sinceMs);
}

/** L4 is bounded by lockTtlMs: a store that was away for as long as a lease lives does end it. */
function wasStoreAway({ rule, atMs }: Violation, { history, schedule }: Evidence): boolean {
  if (rule !== "L4") return false;
  const { lockTtlMs } = slowestLimits(schedule.fleet).locker;
  const stood = intervalsOf(history).filter(({ target }) => target === "store");
  return coveredMs(stood, atMs - lockTtlMs, atMs) > lockTtlMs / 2;
}

/** For how much of that time at least one of the spans lasted. */
function coveredMs(spans: readonly Span[], fromMs: number, toMs: number): number {
  let [coveredMs, reachedMs] = [0, fromMs];
  for (const span of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const endMs = Math.min(span.toMs, toMs);
    coveredMs += Math.max(0, endMs - Math.max(span.fromMs, reachedMs));
    reachedMs = Math.max(reachedMs, endMs);
  }
  return coveredMs;
}

/** From a kill of a holder, or the first acquire of its key after that, to the grant. */
function worstTakeoverMs(history: readonly HistoryEvent[]): number {
  const index = indexHistory(history);
  return orphansOf(index).reduce((worstMs, { grant, killedMs, nextMs }) => {
    if (nextMs === Infinity) return worstMs;
    const asked = index.keys.get(grant.key)!.attempts.filter(({ endedMs }) => endedMs > killedMs);
    const firstMs = asked.reduce((first, { calledMs = Infinity }) => Math.min(first, calledMs), Infinity);
    return Math.max(worstMs, nextMs - Math.max(killedMs, firstMs));
  }, 0);
}
