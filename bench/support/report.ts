// Answers as lines for a reader, and as JSON with every sample.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Machine } from "./machine.js";
import { isWithinBound, summarise, type Answer, type Question, type Series } from "./question.js";

export function printMachine(machine: Machine): void {
  const { cores, cpu, memoryGiB, system, node, redis, load, revision } = machine;
  console.log(`• machine: ${cores} cores, ${cpu}, ${memoryGiB} GiB, ${system}; load ${load}`);
  console.log(`• versions: Node ${node}, Redis ${redis}, sources at ${revision}`);
}

export function printAnswer(answer: Answer): void {
  const width = Math.max(...answer.series.map(({ label }) => label.length));
  for (const series of answer.series) console.log(`    ${series.label.padEnd(width)}  ${line(series)}`);
  for (const note of answer.notes ?? []) console.log(`    (${note})`);
}

function line(series: Series): string {
  const { count, p50, p99, min, max } = summarise(series.samples);
  const parts = [`p50 ${show(p50)}`, ...(p99 === undefined ? [] : [`p99 ${show(p99)}`])];
  parts.push(`min ${show(min)}`, `max ${show(max)} ${series.unit}`, `n ${count}`);
  const within = isWithinBound(series);
  if (within !== undefined) parts.push(`bound ${show(series.bound ?? NaN)}`, within ? "ok" : "MISSED");
  return parts.join("   ");
}

/** Three digits that mean something, and no more. */
function show(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Replaces this question's entry in the file and leaves the others, which carry their own machine and time. */
export function writeAnswer(path: string, question: Question, answer: Answer, machine: Machine): void {
  const entries = readEntries(path);
  const series = answer.series.map((one) => ({
    ...{ label: one.label, unit: one.unit, ...summarise(one.samples) },
    ...(one.bound === undefined ? {} : { bound: one.bound, ok: isWithinBound(one) }),
    samples: one.samples.map((sample) => Number(sample.toPrecision(6))),
  }));
  const measuredAt = new Date().toISOString();
  entries[question.name] = { asks: question.asks, measuredAt, machine, series, notes: answer.notes ?? [] };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(entries, undefined, 1)}\n`);
}

function readEntries(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}
