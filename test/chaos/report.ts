// What the harness prints.

import { formatViolations } from "../history/format.js";
import { seenKinds } from "./kinds.js";
import type { Totals } from "./many.js";
import { intervalsOf } from "./relaxations.js";
import type { Outcome } from "./run-schedule.js";
import type { Takeover } from "./takeover-trial.js";
import type { Excused } from "./verdict.js";

/** One line a schedule. */
export function summarize(outcome: Outcome): string {
  const { schedule, violations, excused, relaxedShare, faults, missed, grants, yes, writes, lostUnfenced } = outcome;
  const { takeover, healMs, tookMs, starvedMs, condemned } = outcome;
  const parts = [
    violations.length === 0 ? "✔" : "✖",
    `seed ${schedule.seed}`,
    `${faults} faults${missed.length > 0 ? ` (${missed.length} missed)` : ""}`,
    `${grants} grants`,
    `${yes} yes`,
    `${writes} writes`,
    `${condemned} condemned`,
    `${lostUnfenced} unfenced lost`,
    takeover ? `takeover ${Math.round(takeover.tookMs)} ms (${explainTakeover(takeover)})` : "no takeover",
    `healed in ${Math.round(healMs)} ms`,
    `starved ${Math.round(starvedMs)} ms`,
    `${(tookMs / 1_000).toFixed(1)} s`,
  ];
  if (relaxedShare > 0) parts.push(`S1 relaxed for ${(100 * relaxedShare).toFixed(1)} %`);
  if (excused.length > 0) {
    parts.push(`${excused.length} excused: ${[...new Set(excused.map(({ violation }) => violation.rule))].join(", ")}`);
  }
  if (violations.length > 0) parts.push(`VIOLATIONS: ${violations.length}`);
  return parts.join(" · ");
}

function explainTakeover({ how, limitMs, toldMs }: Takeover): string {
  const told = toldMs === undefined ? "" : `, told after ${Math.round(toldMs)}`;
  return `${how}, limit ${limitMs}${told}`;
}

/** What is not demanded of it and what could not be done to it, each with its reason. */
export function explain({ relaxed, excused, missed, history }: Outcome): string[] {
  const startMs = history[0]?.atMs ?? 0;
  const at = (ms: number): string => (ms === Infinity ? "the end" : `${Math.round(ms - startMs)} ms`);
  const reasons = relaxed.map(
    ({ rule, fromMs, toMs, because, keys }) =>
      `  relaxed: ${rule}${keys ? ` of ${[...keys].join()}` : ""} from ${at(fromMs)} to ${at(toMs)}: ${because}`,
  );
  const isAlike = (one: Excused, other: Excused): boolean =>
    one.violation.rule === other.violation.rule && one.why === other.why;
  const firsts = excused.filter((one, i) => excused.findIndex((other) => isAlike(one, other)) === i);
  const excuses = firsts.map((one) => {
    const { violation, why } = one;
    const count = excused.filter((other) => isAlike(one, other)).length;
    return `  excused: ${count} × ${violation.rule} (${why}), first at ${at(violation.atMs)}: ${violation.what}`;
  });
  const misses = missed.map(
    ({ fault, why }) => `  missed: ${fault.kind} of ${fault.target} at ${fault.atMs} ms: ${why}`,
  );
  const seen = intervalsOf(history).filter(({ kind }) => seenKinds.some((one) => one === kind));
  const sights = seen.map(({ kind, fromMs, toMs }) => `  seen: ${kind} from ${at(fromMs)} to ${at(toMs)}`);
  return [...sights, ...reasons, ...excuses, ...misses];
}

export function showTotals(totals: Totals): string {
  const { schedules, faults, missed, grants, violations, excused, starvedMs, worstTakeoverMs, relaxedSum } = totals;
  const relaxed = ((100 * relaxedSum) / Math.max(schedules, 1)).toFixed(1);
  return [
    `${schedules} schedules · ${faults} faults (${missed} missed) · ${grants} grants · ${violations} violations`,
    `${excused} excused · S1 relaxed for ${relaxed} % · starved ${(starvedMs / 1_000).toFixed(1)} s`,
    `worst takeover ${worstTakeoverMs} ms`,
  ].join(" · ");
}

/** The first violation with the events around it. */
export function showViolations({ violations, history }: Outcome): string {
  return formatViolations(violations, history);
}
