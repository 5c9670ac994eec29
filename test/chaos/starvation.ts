// When the machine is so busy that processes wait for the processor, silence proves nothing against the locker.

import { nowMs } from "./journal.js";

export type Span = { readonly fromMs: number; readonly toMs: number };

/** How often it looks, and how late it must come to look, ms. A ping every 60 to 200 ms is what members live by. */
const lookMs = 50;
const lateMs = 150;

/** Watches the harness's own event loop, which shares the processors with the members. */
export class Starvation implements Disposable {
  readonly spans: Span[] = [];
  #lastMs = nowMs();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  /** Time that was not ours since then, ms. */
  sumSince(sinceMs: number): number {
    return this.spans.reduce((sum, { fromMs, toMs }) => (fromMs < sinceMs ? sum : sum + toMs - fromMs), 0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = nowMs();
    if (now - this.#lastMs > lookMs + lateMs) this.spans.push({ fromMs: this.#lastMs, toMs: now });
    this.#lastMs = now;
  }
}
