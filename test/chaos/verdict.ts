// What a history proves, less what is not promised under the faults of its schedule.

import type { HistoryEvent, Violation } from "../history/history.js";
import { demanded, relaxationsOf, type Relaxed } from "./relaxations.js";

export type { Relaxed };

export type Verdict = {
  readonly violations: readonly Violation[];
  readonly relaxed: readonly Relaxed[];
  readonly worstTakeoverMs: number;
};

export function judge(history: readonly HistoryEvent[], found: readonly Violation[]): Verdict {
  const relaxed = relaxationsOf(history);
  const all = [...checkHistory(history), ...found].toSorted((a, b) => a.atMs - b.atMs);
  return { violations: demanded(all, relaxed), relaxed, worstTakeoverMs: worstTakeover(history) };
}

function checkHistory(history: readonly HistoryEvent[]): Violation[] {
  const found: Violation[] = [];
  const current = new Map<string, number>();
  const old = new Map<string, Set<number>>();
  const yes = history
    .filter((event) => event.kind === "check" && event.answer === "yes")
    .toSorted((a, b) => a.atMs - b.atMs) as Extract<HistoryEvent, { kind: "check" }>[];
  for (const { key, token, atMs, afterMs, process } of yes) {
    const before = current.get(key);
    if (before === token) continue;
    const set = old.get(key) ?? new Set();
    old.set(key, set);
    if (before !== undefined) set.add(before);
    if (set.has(token))
      found.push({
        rule: "S1",
        atMs,
        key,
        what: `${process} said yes under ${token} after ${before} (until ${afterMs})`,
      });
    current.set(key, token);
  }
  for (const event of history)
    if (event.kind === "crashed")
      found.push({ rule: "S6", atMs: event.atMs, what: `${event.process}: ${event.error}` });
  return [...found, ...checkTokens(history)];
}

function checkTokens(history: readonly HistoryEvent[]): Violation[] {
  const found: Violation[] = [];
  const calls = new Map<string, number>();
  const largest = new Map<string, { atMs: number; token: number }[]>();
  for (const event of history) {
    if (event.kind === "acquire-called") calls.set(`${event.process}/${event.attempt}`, event.atMs);
    if (event.kind !== "acquired") continue;
    const calledMs = calls.get(`${event.process}/${event.attempt}`) ?? event.atMs;
    const grants = largest.get(event.key) ?? [];
    largest.set(event.key, grants);
    const smaller = grants.find(({ atMs, token }) => atMs < calledMs && token >= event.token);
    if (smaller)
      found.push({ rule: "S2", atMs: event.atMs, key: event.key, what: `${event.token} after ${smaller.token}` });
    grants.push({ atMs: event.atMs, token: event.token });
  }
  return found;
}

/** From the death of a holder to the next grant of its key. */
function worstTakeover(history: readonly HistoryEvent[]): number {
  const holders = new Map<string, string>();
  const orphaned = new Map<string, number>();
  let worstMs = 0;
  for (const event of history) {
    if (event.kind === "acquired") {
      const sinceMs = orphaned.get(event.key);
      if (sinceMs !== undefined) worstMs = Math.max(worstMs, event.atMs - sinceMs);
      orphaned.delete(event.key);
      holders.set(event.key, event.process);
    } else if (event.kind === "release-called") {
      holders.delete(event.key);
    } else if (event.kind === "killed") {
      for (const [key, process] of holders) if (process === event.process) orphaned.set(key, event.atMs);
    }
  }
  return worstMs;
}
