import type { Acquired, Wanted } from "../attempt.js";
import type { Clock, Timer } from "../clock.js";
import { listen, stopListening } from "../signals.js";

/** The longest a timer can wait; who waits longer than that waits for ever. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** One call that waits. */
export class LocalWaiter {
  readonly wanted: Wanted;
  readonly startedMs: number;
  readonly resolve: (acquired: Acquired) => void;
  readonly reject: (reason: Error) => void;
  /** What the signals of the call do to it. */
  onAbort!: (reason: Error) => void;
  /** Its place in the line; 0 before it has one. */
  order = 0;
  isGone = false;
  /** Its time is up, and it is only still to be told who holds the key. */
  isLate = false;
  #timer: Timer | undefined;
  #unsureSinceMs: number | undefined;

  constructor(wanted: Wanted, startedMs: number, resolve: (a: Acquired) => void, reject: (reason: Error) => void) {
    this.wanted = wanted;
    this.startedMs = startedMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  startTimer(clock: Clock, onLate: () => void): void {
    const { waitMs } = this.wanted;
    if (waitMs <= TIMER_MS_MAX) this.#timer = clock.timer(waitMs, onLate);
  }

  listen(onAbort: (reason: Error) => void): void {
    this.onAbort = onAbort;
    for (const signal of this.wanted.signals) listen(signal, this);
  }

  /** Until when a holder that may be dead is waited for, though time is up. */
  unsureUntil(nowMs: number, ms: number): number {
    this.#unsureSinceMs ??= nowMs;
    return this.#unsureSinceMs + ms;
  }

  end(): void {
    this.isGone = true;
    this.#timer?.cancel();
    for (const signal of this.wanted.signals) stopListening(signal, this);
  }
}

/** In the order in which they came; whoever leaves leaves a gap until those before it are gone as well. */
export class WaiterQueue {
  #places: LocalWaiter[] = [];
  #head = 0;
  #size = 0;
  #lastOrder = 0;

  get size(): number {
    return this.#size;
  }

  /** The place of the last that came. */
  get lastOrder(): number {
    return this.#lastOrder;
  }

  get first(): LocalWaiter | undefined {
    while (this.#places[this.#head]?.isGone) this.#head += 1;
    return this.#places[this.#head];
  }

  get late(): LocalWaiter[] {
    return this.#places.filter(({ isLate, isGone }) => isLate && !isGone);
  }

  /** Those who asked to be told where they stand. */
  get curious(): LocalWaiter[] {
    return this.#places.filter(({ wanted, isGone }) => wanted.onQueued && !isGone);
  }

  add(waiter: LocalWaiter): void {
    if (this.#head > 1_000 && this.#head * 2 > this.#places.length) {
      this.#places = this.#places.slice(this.#head);
      this.#head = 0;
    }
    waiter.order = ++this.#lastOrder;
    this.#places.push(waiter);
    this.#size += 1;
  }

  remove(waiter: LocalWaiter): void {
    if (waiter.isGone) return;
    waiter.end();
    this.#size -= 1;
    if (this.#size > 0) return;
    this.#places = [];
    this.#head = 0;
  }
}
