import { nanoid } from "nanoid";
import { settleBy } from "./settle.js";

/**
 * Time, timers and chance, passed in wherever they are needed, so that the whole client also runs under a simulated
 * clock. This is the only file that reaches for the real ones.
 */
export interface Clock {
  /**
   * Monotonic ms, comparable between the threads of a process and between the processes of a host (CLOCK_MONOTONIC).
   */
  monoMs(): number;
  /** Wall-clock ms. Never decides alone: it is the second opinion for a machine that was suspended. */
  wallMs(): number;
  /** Calls `fn` once after `ms`. The timer keeps the process alive until it has fired or was cancelled. */
  timer(ms: number, fn: () => void): Timer;
  /** Calls `fn` after the input that has already arrived was handled. */
  afterInput(fn: () => void): void;
  /** 0 ≤ n < 1. */
  random(): number;
  /** An id of that many letters that nobody else has made. */
  freshId(length: number): string;
}

/**
 * One moment on both clocks. Taken together when a request is sent: either may jump or stand still before its answer.
 */
export type Instant = { monoMs: number; wallMs: number };

export function readInstant(clock: Clock): Instant {
  return { monoMs: clock.monoMs(), wallMs: clock.wallMs() };
}

export interface Timer {
  cancel(): void;
}

/** CLOCK_MONOTONIC in µs: the very same for all processes of a host, to the last digit. */
export function hostClockUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000_000 + Math.floor(nanoseconds / 1_000);
}

/**
 * The same in ms. Compiled, it allocates nothing: the pair is never made, where performance.now(), which starts anew in
 * each thread besides, returns a number on the heap. A heartbeat asks for it.
 */
function hostClockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}

export const systemClock: Clock = {
  monoMs: hostClockMs,
  wallMs: () => Date.now(),
  timer: (ms, fn) => {
    const handle = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(handle) };
  },
  afterInput: (fn) => void setImmediate(fn),
  random: () => Math.random(),
  freshId: (length) => nanoid(length),
};

/**
 * Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. Leaves no timer and no listener
 * behind.
 */
export function wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const done = (settle: () => void) => () => {
      timer.cancel();
      signal?.removeEventListener("abort", aborted);
      settle();
    };
    const aborted = () => done(() => reject(signal?.reason as Error))();
    const timer = clock.timer(ms, done(resolve));
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** What the promise resolves with, or undefined when that takes longer than `ms`. Leaves no timer behind. */
export function atMost<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(ms, () => resolve(undefined));
    settleBy(promise, { resolve, reject }, () => timer.cancel());
  });
}

/** Who has so long each, from begin to end; one timer for all of them, as it costs more than most of them do. */
export class Patience<Of> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onLate: (of: Of) => void;
  /** When each is late, monotonic ms: in the order in which they began. */
  readonly #dueMs = new Map<Of, number>();
  readonly #alarm: Alarm;

  constructor(clock: Clock, ms: number, onLate: (of: Of) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onLate = onLate;
    this.#alarm = new Alarm(clock, () => this.#look());
  }

  /** Anew, if it has begun already. */
  begin(of: Of): void {
    const dueMs = this.#clock.monoMs() + this.#ms;
    this.#dueMs.delete(of);
    this.#dueMs.set(of, dueMs);
    this.#alarm.by(dueMs);
  }

  end(of: Of): void {
    this.#dueMs.delete(of);
    if (this.#dueMs.size === 0) this.#alarm.cancel();
  }

  #look(): void {
    this.#alarm.cancel();
    const nowMs = this.#clock.monoMs();
    for (const [of, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) return this.#alarm.by(dueMs);
      this.#dueMs.delete(of);
      this.#onLate(of);
    }
  }
}

/** One timer for many things that are due at some time: it is set to the earliest. */
export class Alarm {
  readonly #clock: Clock;
  readonly #fn: () => void;
  #set: { atMs: number; timer: Timer } | undefined;
  #hasEnded = false;

  constructor(clock: Clock, fn: () => void) {
    this.#clock = clock;
    this.#fn = fn;
  }

  /** Goes off then, or sooner. */
  by(atMs: number): void {
    if (this.#hasEnded || (this.#set && this.#set.atMs <= atMs)) return;
    this.cancel();
    this.#set = { atMs, timer: this.#clock.timer(Math.max(1, atMs - this.#clock.monoMs()), this.#fn) };
  }

  cancel(): void {
    this.#set?.timer.cancel();
    this.#set = undefined;
  }

  /** It goes off no more. */
  end(): void {
    this.cancel();
    this.#hasEnded = true;
  }
}
