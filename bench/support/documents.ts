// The tables that README.md and bench/README.md quote from results, so that they cannot say anything else.

import { panelsOf, withUnit } from "./chart.js";
import type { Machine } from "./machine.js";
import { boundText, show } from "./report.js";
import type { KeptSeries, Result } from "./results.js";

/** Which lines stand in which document, between `<!-- NAME: … -->` and `<!-- /NAME -->`. */
export const documents = [
  { path: "README.md", mark: "speed", lines: speedLines },
  { path: "bench/README.md", mark: "results", lines: resultLines },
] as const;

/** The text with the lines between its marks. */
export function filled(text: string, mark: string, lines: readonly string[]): string {
  const marks = new RegExp(`(<!-- ${mark}: [^>]*-->\\n)[^]*?(<!-- /${mark} -->)`);
  if (!marks.test(text)) throw new Error(`no marks of "${mark}"`);
  return text.replace(marks, (_all, from: string, to: string) => `${from}${lines.join("\n")}\n${to}`);
}

/** What is drawn, as numbers. */
function speedLines(results: readonly Result[]): string[] {
  const panels = panelsOf(results);
  const lockers = [...new Set(panels.flatMap(({ bars }) => bars.map(({ locker }) => locker)))];
  const rows = panels.map(({ title, bars }) => {
    const cells = lockers.map((locker) => {
      const bar = bars.find((one) => one.locker === locker);
      return bar === undefined ? "–" : withUnit(bar.value, bar.unit);
    });
    return [title, ...cells];
  });
  return table([["", ...lockers], ...rows]);
}

/** Every bound and what was measured; then where and when that was. */
function resultLines(results: readonly Result[]): string[] {
  const rows = results.flatMap(({ name, asks, series }) => {
    const bounded = series.filter(({ bound }) => bound !== undefined).map(figures);
    const [first = ["no bound", "", "", ""], ...others] = bounded;
    return [[`\`${name}\`: ${asks}`, ...first], ...others.map((cells) => ["", ...cells])];
  });
  const total = results.reduce((sum, { seconds }) => sum + seconds, 0);
  const sittings = results.map(({ name, seconds, measuredAt, machine: { revision, load } }) => {
    return [`\`${name}\``, `${seconds} s`, `${load}`, revision, measuredAt.slice(0, 16).replace("T", " ")];
  });
  return [
    ...table([["question", "figure", "bound", "measured: p50 (min to max)", ""], ...rows]),
    "",
    ...new Set(results.map(({ machine }) => `On ${machineText(machine)}.`)),
    "",
    ...table([["question", "took", "load before", "revision", "UTC"], ...sittings, ["all", `${total} s`, "", "", ""]]),
  ];
}

function machineText({ cores, cpu, memoryGiB, system, node, redis }: Machine): string {
  return `${cores} cores (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}, Redis ${redis}`;
}

function figures(series: KeptSeries): string[] {
  const { label, locker, unit, bound, p50, min, max, ok } = series;
  const name = locker === undefined || locker === "pulselock" ? label : `${label}, ${locker}`;
  const measured = `${show(p50)} (${show(min)} to ${show(max)}) ${unit}`.trimEnd();
  return [name, bound ? boundText(bound) : "", measured, ok === true ? "ok" : "missed"];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const lines = rows.map((cells) => `| ${cells.join(" | ")} |`);
  return [lines[0] ?? "", `|${" --- |".repeat(rows[0]?.length ?? 0)}`, ...lines.slice(1)];
}
