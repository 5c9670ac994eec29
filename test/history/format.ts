// The first violation and what happened around it, for someone who was woken by it.

import type { HistoryEvent, Violation } from "./history.js";

export type FormatOptions = { readonly aroundMs?: number; readonly eventsMax?: number };

/** Events of the violation's key, and all that has no key (faults, deaths): times are ms from the violation. */
export function formatViolation(
  violation: Violation,
  events: readonly HistoryEvent[],
  { aroundMs = 2_000, eventsMax = 60 }: FormatOptions = {},
): string {
  const { rule, atMs, key, what } = violation;
  const near = events
    .filter((event) => Math.abs(event.atMs - atMs) <= aroundMs && (!("key" in event) || !key || event.key === key))
    .toSorted((a, b) => Math.abs(a.atMs - atMs) - Math.abs(b.atMs - atMs))
    .slice(0, eventsMax)
    .toSorted((a, b) => a.atMs - b.atMs);
  const rows = near.map((event) => rowOf(event, atMs));
  const place = near.filter((event) => event.atMs < atMs).length;
  const lines = aligned([["ms", "process", "key", "kind", "token", ""], ...rows]);
  lines.splice(place + 1, 0, `  >>> ${rule} at ${atMs.toFixed(3)}`);
  return [`${rule}${key === undefined ? "" : ` of ${key}`}: ${what}`, ...lines].join("\n");
}

/** The violations in one line each, the first with its surroundings. */
export function formatViolations(violations: readonly Violation[], events: readonly HistoryEvent[]): string {
  const [first, ...others] = violations;
  if (!first) return "no violations";
  const more = others
    .slice(0, 20)
    .map(({ rule, key, what }) => `${rule}${key === undefined ? "" : ` of ${key}`}: ${what}`);
  const rest = others.length > 20 ? [`… and ${others.length - 20} more`] : [];
  return [formatViolation(first, events), ...more, ...rest].join("\n");
}

function rowOf(event: HistoryEvent, zeroMs: number): string[] {
  const ms = (event.atMs - zeroMs).toFixed(3);
  if (event.kind === "fault") {
    return [ms, "!!", event.target, event.fault, "", event.begins ? "begins" : "ends"];
  }
  const known: readonly string[] = ["kind", "atMs", "process", "key", "token"];
  const details = Object.entries(event)
    .filter(([name]) => !known.includes(name))
    .map(([name, value]) => `${name}=${name === "afterMs" ? (Number(value) - zeroMs).toFixed(3) : String(value)}`);
  const key = "key" in event ? event.key : "";
  const token = "token" in event ? String(event.token) : "";
  const mark = event.kind === "killed" || event.kind === "crashed" ? "!! " : "";
  return [ms, mark + event.process, key, event.kind, token, details.join(" ")];
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}
