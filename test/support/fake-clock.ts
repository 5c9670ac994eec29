// Time that stands still until a test moves it. For everything that takes a Clock.

import type { Clock, Timer } from "../../src/clock.js";
import { mulberry32 } from "./wait.js";

type Pending = { dueMs: number; order: number; fn: () => void };

/**
 * Timers fire in the order of their times, and of their making where those are equal. Between two of them everything
 * that was promised is carried out, then what waits for the end of the input, until nothing is left to do.
 */
export class FakeClock implements Clock {
  #monoMs: number;
  #wallMs: number;
  #order = 0;
  #ids = 0;
  readonly #timers = new Set<Pending>();
  #afterInput: (() => void)[] = [];
  readonly #random: () => number;

  constructor({ monoMs = 1_000_000, wallMs = 1_700_000_000_000, seed = 1 } = {}) {
    this.#monoMs = monoMs;
    this.#wallMs = wallMs;
    this.#random = mulberry32(seed);
  }

  monoMs(): number {
    return this.#monoMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  timer(ms: number, fn: () => void): Timer {
    const dueMs = this.#monoMs + Math.max(1, ms); // no timer of Node's is shorter
    const pending = { dueMs, order: ++this.#order, fn };
    this.#timers.add(pending);
    return { cancel: () => void this.#timers.delete(pending) };
  }

  afterInput(fn: () => void): void {
    this.#afterInput.push(fn);
  }

  freshId(length: number): string {
    return `id${++this.#ids}`.padEnd(length, "-");
  }

  random(): number {
    return this.#random();
  }

  /** Timers that have neither fired nor been cancelled: what would keep a process alive. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Carries out all that can be done without time passing. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve)); // every microtask is done by then
      const callbacks = this.#afterInput;
      if (callbacks.length === 0) return;
      this.#afterInput = [];
      for (const fn of callbacks) fn();
    }
  }

  /** Lets that much time pass. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monoMs + ms;
    await this.settle();
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.pass(Math.max(0, next.dueMs - this.#monoMs)); // one that is overdue after pass() fires now
      this.#timers.delete(next);
      next.fn();
      await this.settle();
    }
    this.pass(untilMs - this.#monoMs);
  }

  /** Both clocks go on and nothing runs, as in a process that is stopped or whose event loop is blocked. */
  pass(ms: number): void {
    this.#monoMs += ms;
    this.#wallMs += ms;
  }

  /** The wall clock alone moves: somebody sets it, or the machine is suspended for that long. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  #next(untilMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#timers) {
      if (pending.dueMs > untilMs) continue;
      if (!first || pending.dueMs < first.dueMs || (pending.dueMs === first.dueMs && pending.order < first.order)) {
        first = pending;
      }
    }
    return first;
  }
}
