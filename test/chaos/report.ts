// What the harness prints.

import type { HistoryEvent, Violation } from "../history/history.js";
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

/** The first violation with the events around it: those of its key, and all faults. */
export function showViolation({ violations, history, schedule }: Outcome): string {
  const first = violations[0];
  if (!first) return "";
  const startMs = history[0]?.atMs ?? 0;
  const lines = [`first of ${violations.length}: ${describeViolation(first, startMs)}`];
  const isNear = (event: HistoryEvent): boolean => Math.abs(event.atMs - first.atMs) < aroundMs;
  const isOfKey = (event: HistoryEvent): boolean => !("key" in event) || !first.key || event.key === first.key;
  const near = history.filter((event) => isNear(event) && isOfKey(event));
  const middle = near.findIndex(({ atMs }) => atMs >= first.atMs);
  const from = Math.max(0, (middle < 0 ? near.length : middle) - 60);
  for (const event of near.slice(from, from + 90)) lines.push(`  ${describeEvent(event, startMs)}`);
  for (const other of violations.slice(1, 6)) lines.push(`then: ${describeViolation(other, startMs)}`);
  lines.push(`again with: npm run chaos -- --seed ${schedule.seed} --schedules 1`);
  return lines.join("\n");
}

const aroundMs = 2_500;

function describeViolation({ rule, atMs, key, what }: Violation, startMs: number): string {
  return `${rule} at ${(atMs - startMs).toFixed(1)} ms${key ? ` on ${key}` : ""}: ${what}`;
}

function describeEvent({ atMs, process, kind, ...rest }: HistoryEvent, startMs: number): string {
  const details = Object.entries(rest)
    .filter(([name]) => name !== "key")
    .map(([name, value]) => `${name}=${name === "afterMs" ? (Number(value) - startMs).toFixed(1) : String(value)}`);
  return `${(atMs - startMs).toFixed(1).padStart(9)}  ${process.padEnd(8)} ${kind.padEnd(15)} ${details.join(" ")}`;
}
