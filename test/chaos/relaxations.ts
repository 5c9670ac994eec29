// What is not promised under which faults (README, "What it does not promise"), and when: everything else is demanded
// at every moment. The fenced register may never lose an update, whatever is relaxed.

import { indexHistory, type Grant } from "../history/history-index.js";
import type { HistoryEvent, Violation } from "../history/history.js";
import type { FaultKind, SeenKind } from "./kinds.js";
import type { Span } from "./starvation.js";

export type Relaxed = {
  /** "S1" also means "release", as who was robbed may be told that it held to the end, and "Q4", S1 for permits. */
  readonly rule: "S1" | "S2";
  readonly fromMs: number;
  readonly toMs: number;
  readonly because: string;
  /** Undefined: all of them. */
  readonly keys?: ReadonlySet<string>;
};

/** Runs of processes: who condemned whom. */
export type Deposition = { readonly atMs: number; readonly by: string; readonly victim: string };

/** A fault as it really happened, or what came of one. */
export type Interval = {
  readonly kind: FaultKind | SeenKind;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
};

/** The store forgets all, or what was written last. */
const losses: readonly Interval["kind"][] = [
  ...["store-empty", "store-old", "flushall", "failover-lagging", "failover-revive"],
  ...["master-lagging", "lost-writes", "cluster-empty", "cluster-split"],
] as Interval["kind"][];
const laggingFailovers: readonly Interval["kind"][] = ["failover-lagging", "failover-revive"];
/** What keeps a process away from the store while it runs. */
const partitions: readonly Interval["kind"][] = [
  ...["refuse", "half-open-up", "half-open-down", "half-open-both", "hold", "loss", "packet-loss"],
] as FaultKind[];
/** What keeps the one that condemned from telling it again; being away from the store does, too. */
const absences: readonly Interval["kind"][] = [...partitions, "kill", "freeze", "block", "worker-stall"];

/** Where all replicas must acknowledge, the master that was replaced has none, and this is no excuse. */
export const twoMasters = "two masters were used at a time";

/** How long what a fault has caused may outlast it: a session TTL, a recovery window and a reconnect. */
const aftermathMs = 3_000;

/** `wallIsStores`: the clock of a store made anew is the wall clock of the process that makes it. */
export function relaxationsOf(
  history: readonly HistoryEvent[],
  depositions: readonly Deposition[] = [],
  wallIsStores = false,
): Relaxed[] {
  const faults = intervalsOf(history);
  const { keys, endOf } = indexHistory(history);
  const grants = [...keys.values()].flatMap((ofKey) => ofKey.grants);
  // Who was killed says nothing more.
  for (const grant of grants) grant.releaseCalledMs = Math.min(grant.releaseCalledMs, endOf(grant.process));
  const byLoss = byLosses({ faults, grants, depositions });
  return [...byFailover(faults), ...byTwoMasters(faults), ...byLoss, ...byClock(faults, history, grants, wallIsStores)];
}

/** Why that is not demanded. One without a time of its own kind (a final count) falls into no interval. */
export function whyNotDemanded({ rule, atMs, key }: Violation, relaxed: readonly Relaxed[]): string | undefined {
  const judgedAs = rule === "release" || rule === "Q4" ? "S1" : rule;
  return relaxed.find(
    (one) =>
      one.rule === judgedAs && atMs >= one.fromMs && atMs <= one.toMs && (!one.keys || !key || one.keys.has(key)),
  )?.because;
}

/** For how much of that time mutual exclusion of a key was not demanded, as a share, 0 to 1. */
export function shareRelaxed(relaxed: readonly Relaxed[], keys: readonly string[], of: Span): number {
  const sumMs = keys.reduce((sum, key) => {
    const spans = relaxed.filter((one) => one.rule === "S1" && (one.keys?.has(key) ?? true));
    return sum + coveredMs(spans, of.fromMs, of.toMs);
  }, 0);
  return keys.length === 0 ? 0 : sumMs / (keys.length * (of.toMs - of.fromMs));
}

/** For how much of that time at least one of the spans lasted. */
export function coveredMs(spans: readonly Span[], fromMs: number, toMs: number): number {
  let [sumMs, reachedMs] = [0, fromMs];
  for (const span of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const endMs = Math.min(span.toMs, toMs);
    sumMs += Math.max(0, endMs - Math.max(span.fromMs, reachedMs));
    reachedMs = Math.max(reachedMs, endMs);
  }
  return sumMs;
}

/** "A failover to a replica that lacks the last writes." */
function byFailover(faults: readonly Interval[]): Relaxed[] {
  return faults
    .filter(({ kind }) => laggingFailovers.includes(kind))
    .map(({ kind, fromMs, toMs }) => {
      const because = `${kind}: a promoted replica lacks the last writes`;
      return { rule: "S1", fromMs, toMs: toMs + aftermathMs, because };
    });
}

/** "Who can reach only the old master and no sentinel goes on there": while it was used beside the new one. */
function byTwoMasters(faults: readonly Interval[]): Relaxed[] {
  return faults
    .filter(({ kind }) => kind === "two-masters")
    .map(({ fromMs, toMs }) => {
      return { rule: "S1", fromMs, toMs: toMs + aftermathMs, because: twoMasters };
    });
}

type LossDeps = {
  readonly faults: readonly Interval[];
  readonly grants: readonly Grant[];
  readonly depositions: readonly Deposition[];
};

/**
 * "Data loss right after a partition of the same holder whose condemner is gone, too, or two such losses in one
 * partition": only for keys that such a holder had lost to somebody else without giving them back.
 */
function byLosses(deps: LossDeps): Relaxed[] {
  const { faults, grants } = deps;
  return faults.flatMap((loss) => {
    if (!losses.includes(loss.kind)) return [];
    const near = faults.filter((other) => other !== loss && overlaps(loss, other));
    return near.flatMap((away) => {
      if (!partitions.includes(away.kind)) return [];
      const robbed = grants.filter(
        (grant) =>
          isOn(away.target, grant.process) &&
          grant.acquiredMs <= away.toMs &&
          wasTaken(grant, grants, loss.toMs + aftermathMs) &&
          isForgotten(grant.process, { loss, away, near }, deps),
      );
      if (robbed.length === 0) return [];
      const keys = new Set(robbed.map(({ key }) => key));
      const because = `${loss.kind} right after ${away.kind} of ${away.target}, whose condemnation nobody tells again`;
      return [{ rule: "S1" as const, fromMs: loss.fromMs, toMs: loss.toMs + aftermathMs, because, keys }];
    });
  });
}

/** Somebody else had the key with a larger token, and its holder had not given it back. */
function wasTaken(grant: Grant, grants: readonly Grant[], untilMs: number): boolean {
  return grants.some(
    ({ key, id, token, acquiredMs }) =>
      key === grant.key &&
      id !== grant.id &&
      token > grant.token &&
      acquiredMs <= Math.min(untilMs, grant.releaseCalledMs),
  );
}

/** Whoever condemned it cannot say so again after the loss, or the store forgot it twice. */
function isForgotten(
  victim: string,
  { loss, away, near }: { loss: Interval; away: Interval; near: readonly Interval[] },
  { grants, depositions }: LossDeps,
): boolean {
  if (near.some((other) => losses.includes(other.kind) && overlaps(away, other))) return true;
  const isAbsent = (process: string): boolean =>
    near.some(({ kind, target }) => absences.includes(kind) && isOn(target, process));
  const known = depositions.filter((one) => one.victim === victim && one.atMs <= loss.toMs + aftermathMs);
  if (known.length > 0) return known.every(({ by }) => isAbsent(by));
  // One that was killed before it could write it down.
  return grants.some(({ process }) => placeOf(process) !== placeOf(victim) && isAbsent(process));
}

function isOn(target: string, process: string): boolean {
  return target === "all" || target === placeOf(process);
}

function placeOf(process: string): string {
  return process.split(".")[0]!;
}

/**
 * "A step of the store's clock by more than a lease's margin, until a ping sees it." And DESIGN.md, S2: a store that
 * lost its data is not behind the clock of before. If it is, tokens fall back until it has caught up.
 */
function byClock(
  faults: readonly Interval[],
  history: readonly HistoryEvent[],
  grants: readonly Grant[],
  wallIsStores: boolean,
): Relaxed[] {
  const relaxed: Relaxed[] = [];
  for (const { kind, fromMs, toMs } of faults) {
    if (kind !== "store-clock-far") continue;
    const because = "the store's clock is stepped by more than a lease's margin";
    relaxed.push({ rule: "S1", fromMs, toMs: toMs + aftermathMs, because });
  }
  for (const loss of faults.filter(({ kind }) => losses.includes(kind))) {
    const behindMs = clockBehindMs(history, loss, wallIsStores);
    if (behindMs <= 0) continue;
    const { fromMs } = loss;
    const caughtUpMs = loss.toMs + behindMs + aftermathMs;
    // Who held when is told by the tokens; for leases of that time it cannot be told.
    const ends = grants
      .filter(({ acquiredMs }) => acquiredMs >= fromMs && acquiredMs <= caughtUpMs)
      .map(({ releaseCalledMs, lostMs }) => Math.min(releaseCalledMs, lostMs));
    const toMs = ends.reduce((last, endMs) => Math.max(last, endMs), caughtUpMs);
    const because = `${loss.kind} while the store's clock was ${behindMs} ms behind what it had shown`;
    relaxed.push({ rule: "S2", fromMs, toMs, because }, { rule: "S1", fromMs, toMs, because });
  }
  return relaxed;
}

/** How far the store's clock lags, when its data is lost, behind the farthest that it had shown before. */
function clockBehindMs(history: readonly HistoryEvent[], loss: Interval, wallIsStores: boolean): number {
  const kind = wallIsStores ? "client-clock" : "store-clock";
  const offsets = new Map([[wallIsStores ? "nobody's fault" : "store", 0]]);
  let [farthestMs, leastMs] = [0, Infinity];
  for (const event of history) {
    if (event.kind !== "fault" || event.atMs > loss.toMs + aftermathMs) continue;
    if (event.atMs >= loss.fromMs) leastMs = Math.min(leastMs, ...offsets.values());
    if (!event.fault.startsWith(kind)) continue;
    offsets.set(event.target, event.begins ? (event.value ?? 0) : 0);
    if (event.atMs <= loss.toMs) farthestMs = Math.max(farthestMs, ...offsets.values());
  }
  return farthestMs - Math.min(leastMs, ...offsets.values());
}

function overlaps(loss: Interval, other: Interval): boolean {
  return other.fromMs < loss.toMs + aftermathMs && loss.fromMs < other.toMs + aftermathMs;
}

/** Begins and ends of the same fault on the same target follow one another in their order. */
export function intervalsOf(history: readonly HistoryEvent[]): Interval[] {
  const intervals: Interval[] = [];
  const open = new Map<string, { at: number; fromMs: number }[]>();
  for (const event of history) {
    if (event.kind !== "fault") continue;
    const name = `${event.fault} ${event.target}`;
    const begun = open.get(name) ?? [];
    open.set(name, begun);
    const [kind, target] = [event.fault as Interval["kind"], event.target];
    if (event.begins) {
      begun.push({ at: intervals.length, fromMs: event.atMs });
      intervals.push({ kind, target, fromMs: event.atMs, toMs: Infinity });
    } else {
      const { at, fromMs } = begun.shift() ?? { at: intervals.length, fromMs: event.atMs };
      intervals[at] = { kind, target, fromMs, toMs: event.atMs };
    }
  }
  return intervals;
}
