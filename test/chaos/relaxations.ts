// What is not promised under which faults (README, "What it does not promise"), and when: everything else is demanded
// at every moment. The fenced register may never lose an update, whatever is relaxed.

import type { HistoryEvent, Violation } from "../history/history.js";
import type { FaultKind } from "./kinds.js";

export type Relaxed = {
  readonly rule: "S1" | "S2";
  readonly fromMs: number;
  readonly toMs: number;
  readonly because: string;
};

/** A fault as it really happened. */
export type Interval = {
  readonly kind: FaultKind;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
};

/** The store forgets all, or what was written last. */
const losses: readonly FaultKind[] = ["store-empty", "store-old", "flushall", "failover-lagging", "failover-revive"];
const laggingFailovers: readonly FaultKind[] = ["failover-lagging", "failover-revive"];
/** What keeps a process away from the store while it runs. */
const partitions: readonly FaultKind[] = [
  ...["refuse", "half-open-up", "half-open-down", "half-open-both", "hold", "loss", "packet-loss"],
] as FaultKind[];
/** What keeps the one that condemned from telling it again; being away from the store does, too. */
const absences: readonly FaultKind[] = [...partitions, "kill", "freeze", "block", "worker-stall"];

/** How long what a fault has caused may outlast it: a session TTL, a recovery window and a reconnect. */
const aftermathMs = 3_000;

export function relaxationsOf(history: readonly HistoryEvent[]): Relaxed[] {
  const faults = intervalsOf(history);
  return [...byFailover(faults), ...byLosses(faults), ...byClock(faults)];
}

/** The violations that are left. One without a time of its own kind (a final count) falls into no interval. */
export function demanded(violations: readonly Violation[], relaxed: readonly Relaxed[]): Violation[] {
  const excused = ({ rule, atMs }: Violation): boolean =>
    relaxed.some((one) => one.rule === rule && atMs >= one.fromMs && atMs <= one.toMs);
  return violations.filter((violation) => !excused(violation));
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

/**
 * "Data loss right after a partition of the same holder whose condemner is gone, too, or two such losses in one
 * partition." What is excused here is wider: who held and who condemned is not asked.
 */
function byLosses(faults: readonly Interval[]): Relaxed[] {
  const relaxed: Relaxed[] = [];
  for (const loss of faults.filter(({ kind }) => losses.includes(kind))) {
    const near = faults.filter((other) => other !== loss && overlaps(loss, other));
    const away = near.filter(({ kind }) => partitions.includes(kind));
    for (const { kind, target } of away) {
      const second = near.find((other) => losses.includes(other.kind));
      const absent = near.find(
        (other) => absences.includes(other.kind) && (target === "all" || other.target !== target),
      );
      const also = second ?? absent;
      if (!also) continue;
      const because = `${loss.kind} right after ${kind} of ${target}, and ${also.kind} of ${also.target}`;
      relaxed.push({ rule: "S1", fromMs: loss.fromMs, toMs: loss.toMs + aftermathMs, because });
      break;
    }
  }
  return relaxed;
}

/**
 * "A step of the store's clock beyond lockTtlMs just before a ping sees it." And DESIGN.md, S2: a store that lost its
 * data is not behind the clock of before.
 */
function byClock(faults: readonly Interval[]): Relaxed[] {
  const relaxed: Relaxed[] = [];
  for (const { kind, fromMs, toMs } of faults) {
    if (kind !== "store-clock-far") continue;
    const because = "the store's clock is stepped by more than lockTtlMs";
    relaxed.push({ rule: "S1", fromMs, toMs: toMs + aftermathMs, because });
  }
  for (const loss of faults.filter(({ kind }) => losses.includes(kind))) {
    const step = faults.find(({ kind, fromMs }) => kind.startsWith("store-clock") && fromMs < loss.toMs);
    if (!step) continue;
    const until = { fromMs: loss.fromMs, toMs: Infinity, because: `${loss.kind} after ${step.kind}` };
    // Who held when is told by the tokens; where they fall back, it cannot be told.
    relaxed.push({ rule: "S2", ...until }, { rule: "S1", ...until });
  }
  return relaxed;
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
    const [kind, target] = [event.fault as FaultKind, event.target];
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
