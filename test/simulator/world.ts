// Simulated time: everything that happens is an event in one queue, carried out in the order of its time.

import { mulberry32 } from "../support/wait.js";

type Event = { atMs: number; order: number; fn: () => void | Promise<void>; cancelled: boolean };

export type Scheduled = { cancel(): void };

/** The queue, the time and the chance of one simulated world. The same seed makes the same world. */
export class World {
  /** Real time as only the simulator knows it, ms. Every monotonic clock in the world shows it. */
  nowMs = 1_000_000;
  readonly random: () => number;
  #order = 0;
  #ids = 0;
  /** A binary heap. */
  readonly #events: Event[] = [];

  constructor(seed: number) {
    this.random = mulberry32(seed);
  }

  freshId(length: number): string {
    return (++this.#ids).toString(36).padStart(length, "0");
  }

  /** Between `from` and `to`. */
  between(from: number, to: number): number {
    return from + this.random() * (to - from);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  at(atMs: number, fn: () => void | Promise<void>): Scheduled {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: ++this.#order, fn, cancelled: false };
    this.#push(event);
    return { cancel: () => void (event.cancelled = true) };
  }

  after(ms: number, fn: () => void | Promise<void>): Scheduled {
    return this.at(this.nowMs + ms, fn);
  }

  /** Carries out every event up to that time, or until `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await drain();
    while (!done()) {
      const next = this.#events[0];
      if (!next || next.atMs > untilMs) {
        this.nowMs = untilMs;
        return;
      }
      this.#pop();
      if (next.cancelled) continue;
      this.nowMs = next.atMs;
      await next.fn();
      await drain();
    }
  }

  #push(event: Event): void {
    const heap = this.#events;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Everything that was promised is carried out: a turn of the real event loop comes only after all microtasks. */
export function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
