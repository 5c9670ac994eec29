// What is not promised under which faults (README, "What it does not promise"), so that nothing else is excused.

import type { Fault, Schedule } from "./schedule.js";
import type { FaultKind } from "./kinds.js";
import { limitsOf } from "./fleets.js";

export type Relaxed = {
  /** The invariant that need not hold in this schedule. The fenced register may never lose an update all the same. */
  readonly rule: "S1" | "S2" | "S4";
  readonly because: string;
};

const losses: readonly FaultKind[] = ["store-empty", "store-old", "flushall"];
/** What a process does not hear anything through, while it breaks its connections at once. */
const partitions: readonly FaultKind[] = ["refuse", "cut", "zombie", "reply-cut", "lost-reply"];
/** What takes the one away who condemned, or keeps it from telling. */
const absences: readonly FaultKind[] = ["kill", "freeze", "block", "refuse", "hold", "half-open-up", "half-open-down"];

export function relaxationsOf(schedule: Schedule): Relaxed[] {
  return [...byFailover(schedule), ...byLosses(schedule), ...byClock(schedule)];
}

function byFailover({ faults }: Schedule): Relaxed[] {
  const lagging = faults.find(({ kind }) => kind === "failover-lagging" || kind === "failover-revive");
  if (!lagging) return [];
  const because = `${lagging.kind}: a promoted replica lacks the last writes`;
  return [
    { rule: "S1", because },
    { rule: "S4", because },
  ];
}

/**
 * A loss right after a partition of the same holder whose condemner is gone, too; or two losses in one partition. What
 * counts here is wider than that: who held what is not asked.
 */
function byLosses({ faults, fleet, processes }: Schedule): Relaxed[] {
  const isLoss = ({ kind }: Fault): boolean => losses.includes(kind);
  const longest = Math.max(...Array.from({ length: processes }, (_, i) => limitsOf(fleet, i).locker.sessionTtlMs));
  for (const cut of faults.filter(({ kind }) => partitions.includes(kind))) {
    const near = (other: Fault): boolean => other !== cut && overlaps(cut, other, longest);
    const lost = faults.filter((other) => isLoss(other) && near(other));
    const gone = faults.filter((other) => absences.includes(other.kind) && other.target !== cut.target && near(other));
    if (lost.length > 1) return [{ rule: "S1", because: `two losses of data in one partition (${cut.kind})` }];
    if (lost.length === 0 || gone.length === 0) continue;
    const because = `${lost[0]!.kind} right after a partition (${cut.kind}) while a condemner may be gone`;
    return [{ rule: "S1", because: `${because} (${gone[0]!.kind})` }];
  }
  return [];
}

function byClock({ faults, fleet, processes }: Schedule): Relaxed[] {
  const relaxed: Relaxed[] = [];
  const steps = faults.filter(({ kind }) => kind === "store-clock" || kind === "store-clock-far");
  const lockTtlMs = Math.min(...Array.from({ length: processes }, (_, i) => limitsOf(fleet, i).locker.lockTtlMs));
  const far = steps.find(({ value = 0 }) => Math.abs(value) > lockTtlMs / 4);
  if (far) relaxed.push({ rule: "S1", because: `the store's clock is stepped by ${far.value} ms at once` });
  const forgets = faults.find((fault) => losses.includes(fault.kind));
  if (steps.length > 0 && forgets) {
    const because = `${forgets.kind}, and a store whose clock is behind that of before (${steps[0]!.value} ms)`;
    relaxed.push({ rule: "S2", because });
  }
  return relaxed;
}

/** Whether the two overlap, give or take so many ms: what a fault causes outlasts it. */
function overlaps(a: Fault, b: Fault, slackMs: number): boolean {
  return a.atMs < b.atMs + b.durationMs + slackMs && b.atMs < a.atMs + a.durationMs + slackMs;
}
