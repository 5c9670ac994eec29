// Waiting by condition, deadlines and repeatable randomness, shared by tests and examples.

import { isDeepStrictEqual } from "node:util";
import type { EventEmitter } from "node:events";

export interface WaitOptions {
  /** How long the condition may take, in ms, before the wait fails. */
  readonly deadlineMs: number;
  /** What is awaited, as it reads in the failure: "the contender's status". */
  readonly what: string;
}

/** First and longest pause between two reads, in ms: quick conditions answer quickly, slow ones do not burn a core. */
const stepMsMin = 2;
const stepMsMax = 50;

/**
 * Reads until the value satisfies the predicate, or deeply equals the expected value, and returns that value.
 * A read that throws counts as "not yet": a server that restarts refuses connections for a while. The last value or
 * error seen is part of the failure, so a wrong condition does not read like a slow one.
 */
export async function waitUntil<T>(
  read: () => T | Promise<T>,
  expected: T | ((value: T) => boolean),
  options: WaitOptions,
): Promise<T> {
  const startedMs = performance.now();
  let stepMs = stepMsMin;
  for (;;) {
    const leftMs = startedMs + options.deadlineMs - performance.now();
    const seen = await readOnce(read, leftMs);
    if ("value" in seen && matches(seen.value, expected)) return seen.value;
    if (performance.now() - startedMs >= options.deadlineMs) throw conditionFailure(seen, expected, options);
    await pause(Math.min(stepMs, Math.max(leftMs, 1)));
    stepMs = Math.min(stepMs * 1.5, stepMsMax);
  }
}

/** Settles like `promise`, or rejects with a DeadlineError once `deadlineMs` have passed. */
export async function withDeadline<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    // Created here, so that the stack shows who waited.
    const error = new DeadlineError(`${what}: not within ${deadlineMs} ms`);
    timer = setTimeout(() => reject(error), Math.max(deadlineMs, 0));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The arguments of the next `event`. Unlike events.once, an "error" event is not a rejection, only a deadline is. */
export async function once(emitter: EventEmitter, event: string, options: WaitOptions): Promise<unknown[]> {
  let listener: ((...args: unknown[]) => void) | undefined;
  const fired = new Promise<unknown[]>((resolve) => {
    listener = (...args) => resolve(args);
    emitter.once(event, listener);
  });
  try {
    return await withDeadline(fired, options.deadlineMs, options.what);
  } finally {
    if (listener) emitter.off(event, listener);
  }
}

export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

let chosenSeed: number | undefined;

/** The seed of this run: SEED when set, else a new one. Printed once, so that a failure can be replayed. */
export function seed(): number {
  if (chosenSeed !== undefined) return chosenSeed;
  const given = process.env["SEED"];
  chosenSeed = given === undefined || given === "" ? randomSeed() : Number(given) >>> 0;
  if (given !== undefined && given !== "" && String(chosenSeed) !== given) {
    throw new RangeError(`SEED must be an integer from 0 to 4294967295, not ${given}`);
  }
  console.log(`SEED=${chosenSeed}`);
  return chosenSeed;
}

/** A small seeded generator of numbers in [0, 1): the same seed gives the same faults in the same order. */
export function mulberry32(seedValue: number): () => number {
  let state = seedValue >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

type Seen<T> = { value: T } | { error: unknown };

/** A read that hangs must not outlive the deadline, or the test would hang instead of failing with a name. */
async function readOnce<T>(read: () => T | Promise<T>, leftMs: number): Promise<Seen<T>> {
  try {
    return { value: await withDeadline(Promise.resolve(read()), Math.max(leftMs, 1), "the read itself") };
  } catch (error) {
    return { error };
  }
}

function matches<T>(value: T, expected: T | ((value: T) => boolean)): boolean {
  return typeof expected === "function"
    ? (expected as (value: T) => boolean)(value)
    : isDeepStrictEqual(value, expected);
}

function conditionFailure<T>(seen: Seen<T>, expected: unknown, options: WaitOptions): DeadlineError {
  const wanted = typeof expected === "function" ? `to satisfy ${String(expected)}` : `to be ${show(expected)}`;
  const last = "value" in seen ? `last value ${show(seen.value)}` : `last read failed: ${String(seen.error)}`;
  const message = `${options.what}: expected ${wanted} within ${options.deadlineMs} ms, ${last}`;
  return new DeadlineError(message, "error" in seen ? { cause: seen.error } : undefined);
}

function show(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
