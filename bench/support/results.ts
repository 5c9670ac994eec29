// What is kept of an answer: one file a question, with every sample and where it comes from.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.js";
import {
  isWithinBound,
  summarise,
  type Answer,
  type Chart,
  type Question,
  type Series,
  type Summary,
} from "./question.js";

export interface KeptSeries extends Series, Summary {
  /** Whether its bound was kept. */
  readonly ok?: boolean;
}

export interface Result {
  readonly name: string;
  readonly asks: string;
  readonly measuredAt: string;
  /** How long all of it took. */
  readonly seconds: number;
  readonly machine: Machine;
  /** Whether every bound was kept. */
  readonly ok: boolean;
  readonly series: readonly KeptSeries[];
  readonly notes: readonly string[];
  readonly charts: readonly Chart[];
}

export function resultOf({ name, asks }: Question, answer: Answer, machine: Machine, seconds: number): Result {
  const series = answer.series.map(({ samples, ...rest }): KeptSeries => {
    const ok = isWithinBound({ ...rest, samples });
    return { ...rest, ...summarise(samples), ...(ok === undefined ? {} : { ok }), samples };
  });
  const isOk = series.every(({ ok }) => ok !== false);
  const { notes = [], charts = [] } = answer;
  const measuredAt = new Date().toISOString();
  return { name, asks, measuredAt, seconds, machine, ok: isOk, series, notes, charts };
}

export function keep(folder: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(folder, result.name), `${toText(result)}\n`);
}

/** Those that there are, in the order of the names. */
export function readResults(folder: string, names: readonly string[]): Result[] {
  const files = names.map((name) => fileOf(folder, name)).filter((file) => existsSync(file));
  return files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Result);
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}.json`);
}

/** A sample says no more than its first six digits do; all of a series stand on one line. */
function toText(result: Result): string {
  const rounded = (_key: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
  const text = JSON.stringify(result, rounded, 1);
  return text.replace(/"samples": \[[^\]]*\]/g, (samples) => samples.replace(/\s+/g, " "));
}
