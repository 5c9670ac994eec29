// What a history proves, less what is not promised under the faults that it tells of.

import { checkHistory, type CheckerRules, type FinalHolder, type FinalValue } from "../history/checker.js";
import { indexHistory } from "../history/history-index.js";
import type { HistoryEvent, Violation } from "../history/history.js";
import { noGhosts } from "../history/safety-rules.js";
import { slowestLimits } from "./fleets.js";
import { stalls } from "./kinds.js";
import {
  coveredMs,
  intervalsOf,
  relaxationsOf,
  twoMasters,
  whyNotDemanded,
  type Deposition,
  type Relaxed,
} from "./relaxations.js";
import type { Schedule } from "./schedule.js";
import type { Span } from "./starvation.js";

export type Evidence = {
  readonly schedule: Schedule;
  readonly history: readonly HistoryEvent[];
  /** What the harness saw besides the history. */
  readonly found: readonly Violation[];
  readonly finalValues: readonly FinalValue[];
  readonly healedAtMs: number;
  /** When the jobs were told to end. */
  readonly restAtMs: number;
  /** What living processes' sessions still had in the store when all jobs had ended, and when that was read. */
  readonly ghosts: { readonly atMs: number; readonly holders: readonly FinalHolder[] };
  readonly depositions: readonly Deposition[];
  readonly starved: readonly Span[];
};

export type Excused = { readonly violation: Violation; readonly why: string };

export type Verdict = {
  readonly violations: readonly Violation[];
  /** What would have been one, and why it is none. */
  readonly excused: readonly Excused[];
  readonly relaxed: readonly Relaxed[];
};

/** Of these a lease must never be lost, alone or together: everything else may excuse a loss. */
const survived: readonly string[] = [...stalls, "block", "duplicate", "promotion", "lost-writes"];

/** What begins a new era of the store without a loss. */
const replacing: readonly string[] = ["promotion", "cluster-kill", "cluster-failover"];

/** Bounds that a process can only keep when it is let run. */
const timed: readonly string[] = ["S4", "L1", "L3", "L4", "L5", "close"];

/** What a machine that was too busy has delayed comes out so much later at most, ms. */
const hangoverMs = 2_500;

export function judge(evidence: Evidence): Verdict {
  const { history, found, depositions, ghosts } = evidence;
  const { schedule } = evidence;
  const may = relaxationsOf(history, depositions, schedule.backend === "sqlite");
  const relaxed = schedule.replicas === undefined ? may : may.filter(({ because }) => because !== twoMasters);
  const untilThen = indexHistory(history.filter(({ atMs }) => atMs <= ghosts.atMs));
  const left = noGhosts(untilThen, { finalHolders: ghosts.holders });
  const all = [...checkHistory(history, rulesOf(evidence)), ...left, ...found].toSorted((a, b) => a.atMs - b.atMs);
  const violations: Violation[] = [];
  const excused: Excused[] = [];
  for (const violation of all) {
    const why = whyNotDemanded(violation, relaxed) ?? whyExcused(violation, evidence);
    if (why === undefined) violations.push(violation);
    else excused.push({ violation, why });
  }
  return { violations, excused, relaxed };
}

function whyExcused(violation: Violation, evidence: Evidence): string | undefined {
  if (isStarved(violation, evidence)) return "the machine let nobody run";
  if (wasStoreAway(violation, evidence)) return "the store was away for most of lockTtlMs";
  return undefined;
}

function rulesOf(evidence: Evidence): CheckerRules {
  const { schedule, history, finalValues, healedAtMs, restAtMs, starved } = evidence;
  const { locker, database } = slowestLimits(schedule.fleet);
  const aftermathMs = locker.sessionTtlMs + database.recoveryMs + database.commandTimeoutMs;
  const hurried = hurriedEras(history, database.recoveryMs + slackMs);
  const isHurried = (span: { fault: string; fromMs: number }): boolean =>
    hurried.some(({ kind, fromMs }) => kind === span.fault && Math.abs(fromMs - aftermathMs - span.fromMs) < 1);
  return {
    finalValues,
    aftermathMs,
    // In the hasty fleet holders rather abort than wait for a store that stands still.
    judgesLosses: schedule.fleet !== "hasty",
    excusesLoss: (span) => !survived.includes(span.fault) || isHurried(span),
    takeoverMs: locker.sessionTtlMs + 1_000 + slackMs,
    noticeMs: starved.length > 0 ? busyNoticeMs : noticeMs,
    healedAtMs,
    healMs: healMsMax(schedule),
    calmUntilMs: restAtMs,
    closeMs: 2 * locker.closeTimeoutMs + slackMs,
    // A place in the queue is sure once it was asked for again; on a machine that stood still nobody's is.
    ...(starved.length === 0 && { orderMs: slackMs }),
  };
}

/**
 * Eras that begin while the window of the one before may be open: who was in that one only provisionally is outlived by
 * those who were trusted in it (ADR 0015), and loses its leases.
 */
function hurriedEras(history: readonly HistoryEvent[], withinMs: number): ReturnType<typeof intervalsOf> {
  const eras = intervalsOf(history).filter(({ kind }) => replacing.includes(kind));
  return eras.filter((era) => eras.some(({ fromMs, toMs }) => fromMs < era.fromMs && era.fromMs < toMs + withinMs));
}

/** L3; and on a machine where the harness itself was late, ms. */
const noticeMs = 50;
const busyNoticeMs = 300;

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
