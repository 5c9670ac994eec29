import type { Clock, Timer } from "../clock.js";

/** So many times within the limit somebody may look why an answer does not come. */
const LOOKS = 4;

/**
 * Notices a connection that no longer answers: a command without an answer condemns it, for what is behind it in the
 * queue will not be answered either.
 */
export class AnswerWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onLate: (cause: Error) => void;
  readonly #onSlow: (() => void) | undefined;
  /** When each unanswered command was sent; answers come in the order of the commands. */
  readonly #unanswered: number[] = [];
  #timer: Timer | undefined;
  #stopped = false;

  /** `onSlow`: called some times before it is late, as long as it has not been answered. */
  constructor(clock: Clock, timeoutMs: number, onLate: (cause: Error) => void, onSlow?: () => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onLate = onLate;
    this.#onSlow = onSlow;
  }

  async watch<T>(send: () => Promise<T>): Promise<T> {
    this.#unanswered.push(this.#clock.monoMs());
    try {
      const answer = send();
      this.#watchOldest(); // after it, as somebody may wait for what is sent
      return await answer;
    } finally {
      this.#unanswered.shift();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #watchOldest(): void {
    const oldest = this.#unanswered[0];
    if (this.#timer || this.#stopped || oldest === undefined) return;
    const stepMs = this.#onSlow ? this.#timeoutMs / LOOKS : this.#timeoutMs;
    const agoMs = this.#clock.monoMs() - oldest;
    const waitMs = Math.max(1, Math.min(this.#timeoutMs, (Math.floor(agoMs / stepMs) + 1) * stepMs) - agoMs);
    this.#timer = this.#clock.timer(waitMs, () => {
      // After a blocked event loop timers come first and the answers, long there, after: look again once they were
      // read.
      this.#clock.afterInput(() => {
        this.#timer = undefined;
        const agoMs = this.#unanswered[0] === oldest ? this.#clock.monoMs() - oldest : 0;
        if (agoMs >= this.#timeoutMs) {
          return this.#onLate(new Error(`command timed out after ${this.#timeoutMs} ms`));
        }
        if (agoMs >= stepMs) this.#onSlow?.();
        this.#watchOldest();
      });
    });
  }
}
