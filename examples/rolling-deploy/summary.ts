// The table at the end.
import type { Conflicts, EventVerdict, Mark, Report } from "./observer.js";
import { formatMs, paint, print } from "./terminal.js";

const TITLES: Record<Mark["kind"], (mark: Mark) => string> = {
  drain: ({ process }) => `${process} drained by SIGTERM`,
  kill: ({ process }) => `${process} killed by SIGKILL`,
  freeze: (mark) => `${mark.process} frozen for ${secondsOf(mark)} s`,
  block: (mark) => `${mark.process}'s loop blocked ${secondsOf(mark)} s`,
};

export function printSummary({ events, conflicts, failures }: Report): void {
  print();
  print(paint("bold", "What was done            jobs   gap without a runner, ms    bound"));
  print(paint("dim", "                                  min   median      max"));
  for (const event of events) printEvent(event);
  print();
  for (const line of conflictLines(conflicts)) print(line);
  print();
  if (failures.length === 0) return print(paint("green", "ok: every bound was kept"));
  for (const failure of failures) print(paint("red", `MISSED  ${failure}`));
}

function printEvent(event: EventVerdict): void {
  const title = TITLES[event.mark.kind](event.mark).padEnd(25);
  const { gapsMs } = event;
  const gaps = gapsMs.length === 0 ? [] : [Math.min(...gapsMs), medianOf(gapsMs), Math.max(...gapsMs)];
  const [min, median, max] = [0, 1, 2].map((index) => formatGap(gaps[index]));
  const verdict = event.missed.length === 0 ? paint("green", "ok") : paint("red", "MISSED");
  const bounds = event.checks.map(({ what, worstMs, boundMs }) => `${what}: ${formatMs(worstMs)} ≤ ${boundMs}`);
  if (event.mark.kind === "block") bounds.push("no job lost, no takeover");
  if (bounds.length === 0) bounds.push("it ran no job");
  print(`${title}${String(event.jobs.length).padStart(4)}  ${min} ${median} ${max}   ${bounds.join("; ")}  ${verdict}`);
}

function formatGap(gapMs: number | undefined): string {
  return (gapMs === undefined ? "-" : formatMs(gapMs)).padStart(8);
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  return (lower + upper) / 2;
}

function conflictLines(conflicts: Conflicts): string[] {
  const row = (count: number, text: string): string => `${String(count).padStart(6)}  ${text}`;
  return [
    row(conflicts.fencedOverlaps, "overlaps of fenced work: accepted writes of an older holder (must be 0)"),
    row(conflicts.falseYes, "heartbeats that said yes although the next run had started (must be 0)"),
    row(conflicts.tokensNotGrown, "runs whose fencing token was not larger than before (must be 0)"),
    row(
      conflicts.unfencedOverlaps,
      "unfenced steps after the next run had started (only the resource can refuse these)",
    ),
    row(conflicts.refusedWrites, `writes refused by the resource (${conflicts.acceptedWrites} accepted)`),
  ];
}

function secondsOf({ atMs, endAtMs }: Mark): string {
  return ((endAtMs - atMs) / 1000).toFixed(1);
}
