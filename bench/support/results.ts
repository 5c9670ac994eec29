// What is kept of an answer: one file a question, with every sample and where it comes from.

import { mkdirSync, writeFileSync } from "node:fs";
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

export type KeptSeries = Omit<Series, "samples"> &
  Summary & { readonly ok?: boolean; readonly samples: readonly number[] };

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

export function resultOf(question: Question, answer: Answer, machine: Machine, seconds: number): Result {
  const series = answer.series.map((one): KeptSeries => {
    const ok = isWithinBound(one);
    return { ...one, ...summarise(one.samples), ...(ok === undefined ? {} : { ok }), samples: one.samples };
  });
  return {
    name: question.name,
    asks: question.asks,
    measuredAt: new Date().toISOString(),
    seconds,
    machine,
    ok: series.every(({ ok }) => ok !== false),
    series,
    notes: answer.notes ?? [],
    charts: answer.charts ?? [],
  };
}

export function keep(folder: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${result.name}.json`), `${toText(result)}\n`);
}

/** A sample says no more than its first six digits do; a series keeps its samples on one line. */
function toText(result: Result): string {
  const rounded = (_key: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
  const text = JSON.stringify(result, rounded, 1);
  return text.replace(
    /"samples": \[([^\]]*)\]/g,
    (_all, samples: string) => `"samples": [${samples.replace(/\s+/g, " ").trim()}]`,
  );
}
