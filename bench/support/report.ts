// Answers as lines for a reader.

import type { Machine } from "./machine.js";
import { isWithinBound, summarise, type Answer, type Bound, type Series } from "./question.js";

export function printMachine(machine: Machine): void {
  const { cores, cpu, memoryGiB, system, node, redis, load, revision } = machine;
  console.log(`• machine: ${cores} cores, ${cpu}, ${memoryGiB} GiB, ${system}; load ${load}`);
  console.log(`• versions: Node ${node}, Redis ${redis}, sources at ${revision}`);
}

/** Two tables: lockers side by side, and what has only one side. */
export function answerLines(answer: Answer): string[] {
  const beside = answer.series.filter(({ locker }) => locker !== undefined);
  const alone = answer.series.filter(({ locker }) => locker === undefined);
  const notes = (answer.notes ?? []).map((note) => `(${note})`);
  return [...besideTable(beside), ...aloneTable(alone), ...notes];
}

/** A bound that was missed, for the summary of a run. */
export function missedLine(series: Series): string {
  const { label, locker, unit, samples, bound } = series;
  const { p50, min, max, count } = summarise(samples);
  const name = locker === undefined ? label : `${label}, ${locker}`;
  const figures = `p50 ${show(p50)}, min ${show(min)}, max ${show(max)} ${unit}`;
  return `${name}: ${figures} of ${count}; due: ${bound ? boundText(bound) : "nothing"}`;
}

function besideTable(all: readonly Series[]): string[] {
  if (all.length === 0) return [];
  const lockers = [...new Set(all.map(({ locker }) => locker))];
  const labels = [...new Set(all.map(({ label }) => label))];
  const rows = labels.map((label) => {
    const own = all.filter((series) => series.label === label);
    const cells = lockers.map((locker) => {
      const series = own.find((one) => one.locker === locker);
      return series === undefined ? "" : besideCell(series);
    });
    return [unitAfter(label, own[0]?.unit ?? ""), ...cells];
  });
  return aligned([["", ...lockers.map(String)], ...rows]);
}

function besideCell(series: Series): string {
  const { p50, min, max, count } = summarise(series.samples);
  const range = count > 1 ? ` (${show(min)} to ${show(max)})` : "";
  return [`${show(p50)}${range}`, verdict(series)].join(" ").trimEnd();
}

function aloneTable(all: readonly Series[]): string[] {
  if (all.length === 0) return [];
  const rows = all.map((series) => {
    const { count, p50, p99, min, max } = summarise(series.samples);
    const figures = [p50, p99, min, max].map((value) => (value === undefined ? "" : show(value)));
    return [unitAfter(series.label, series.unit), ...figures, String(count), verdict(series)];
  });
  return aligned([["", "p50", "p99", "min", "max", "n", ""], ...rows]);
}

function unitAfter(label: string, unit: string): string {
  return unit === "" ? label : `${label}, ${unit}`;
}

function verdict(series: Series): string {
  const isWithin = isWithinBound(series);
  if (isWithin === undefined || series.bound === undefined) return "";
  return `${isWithin ? "ok" : "MISSED"}: ${boundText(series.bound)}`;
}

/** "p50 ≤ 1.1", "every ≥ 3". */
export function boundText(bound: Bound): string {
  return `${bound.of} ${"atMost" in bound ? `≤ ${bound.atMost}` : `≥ ${bound.atLeast}`}`;
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
}

/** Three digits that mean something, and no more. */
export function show(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
