// What the harness prints.

import { formatViolations } from "../history/format.js";
import type { Outcome } from "./run-schedule.js";

/** One line a schedule. */
export function summarize(outcome: Outcome): string {
  const { schedule, violations, relaxed, faults, missed, grants, yes, writes, lostUnfenced } = outcome;
  const { worstTakeoverMs, healMs, tookMs, starvedMs, condemned } = outcome;
  const parts = [
    violations.length === 0 ? "✔" : "✖",
    `seed ${schedule.seed}`,
    `${faults} faults${missed.length > 0 ? ` (${missed.length} missed)` : ""}`,
    `${grants} grants`,
    `${yes} yes`,
    `${writes} writes`,
    `${condemned} condemned`,
    `${lostUnfenced} unfenced lost`,
    `takeover ≤ ${Math.round(worstTakeoverMs)} ms`,
    `healed in ${Math.round(healMs)} ms`,
    `starved ${Math.round(starvedMs)} ms`,
    `${(tookMs / 1_000).toFixed(1)} s`,
  ];
  if (relaxed.length > 0) parts.push(`relaxed: ${[...new Set(relaxed.map(({ rule }) => rule))].join(", ")}`);
  if (violations.length > 0) parts.push(`VIOLATIONS: ${violations.length}`);
  return parts.join(" · ");
}

/** What is not demanded of it and what could not be done to it, each with its reason. */
export function explain({ relaxed, missed, history }: Outcome): string[] {
  const startMs = history[0]?.atMs ?? 0;
  const at = (ms: number): string => (ms === Infinity ? "the end" : `${Math.round(ms - startMs)} ms`);
  const reasons = relaxed.map(
    ({ rule, fromMs, toMs, because }) => `  relaxed: ${rule} from ${at(fromMs)} to ${at(toMs)}: ${because}`,
  );
  const misses = missed.map(
    ({ fault, why }) => `  missed: ${fault.kind} of ${fault.target} at ${fault.atMs} ms: ${why}`,
  );
  return [...reasons, ...misses];
}

/** The first violation with the events around it. */
export function showViolations({ violations, history }: Outcome): string {
  return formatViolations(violations, history);
}
