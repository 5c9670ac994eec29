// What a call came to on either side, in a form in which the two can be compared.

import assert from "node:assert/strict";
import type { ScriptArgument } from "./sim-redis.js";

export type Value = string | readonly (readonly [string, string])[];
/** A key that does not expire has -1 ms to live. */
export type Entry = { readonly key: string; readonly ttlMs: number; readonly value: Value };

/** Rounding on both sides, ms. */
const slackMs = 2;

export type Outcome = { readonly reply: unknown } | { readonly error: string };

export function simulated(act: () => unknown): Outcome {
  try {
    return { reply: act() };
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError") return { error: error.message };
    throw error;
  }
}

/** Of an error its code, of a reply its statuses. */
export function wordsOf(outcome: Outcome): string[] {
  if ("error" in outcome) return [outcome.error.split(" ", 1)[0]!];
  const { reply } = outcome;
  const list = Array.isArray(reply) ? (reply as unknown[]) : [reply];
  return list.map((part) => String(Array.isArray(part) ? part[0] : part)).filter((word) => /^[a-z]+$/.test(word));
}

/** A large hash of Redis gives its fields in an order of its own; nothing of ours looks at it. */
export function normalised(name: string, args: readonly ScriptArgument[], outcome: Outcome): Outcome {
  if (!("reply" in outcome) || !Array.isArray(outcome.reply)) return outcome;
  const list = outcome.reply as string[];
  if (name === "read-session") return { reply: [...list.slice(0, 4), pairs(list.slice(4))] };
  return name === "raw" && args[0] === "HGETALL" ? { reply: pairs(list) } : outcome;
}

export function pairs(list: readonly string[]): (readonly [string, string])[] {
  const out: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < list.length; i += 2) out.push([list[i]!, list[i + 1]!]);
  return out.sort(([a], [b]) => compareText(a, b));
}

export function compareEntries(
  what: string,
  ours: readonly Entry[],
  theirs: readonly Entry[],
  elapsedMs: number,
): void {
  const sorted = (entries: readonly Entry[]): Entry[] => [...entries].sort((a, b) => compareText(a.key, b.key));
  const bare = (entries: readonly Entry[]): unknown => sorted(entries).map(({ key, value }) => ({ key, value }));
  assert.deepEqual(bare(ours), bare(theirs), `the data after ${what} (actual: simulated)`);
  const real = sorted(theirs);
  for (const [i, { key, ttlMs }] of sorted(ours).entries()) {
    const seen = real[i]!.ttlMs;
    const fits = ttlMs < 0 ? seen === ttlMs : seen <= ttlMs + slackMs && seen >= ttlMs - elapsedMs - slackMs;
    assert.ok(fits, `${key} lives ${ttlMs} ms, on the real server ${seen} ms, ${elapsedMs} ms later, after ${what}`);
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
