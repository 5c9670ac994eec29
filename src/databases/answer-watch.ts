import type { Clock, Timer } from "../clock.js";

/**
 * Notices a connection that no longer answers: a command without an answer condemns it, for what is behind it in the
 * queue will not be answered either.
 */
export class AnswerWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onLate: (cause: Error) => void;
  /** When each unanswered command was sent; answers come in the order of the commands. */
  readonly #unanswered: number[] = [];
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, timeoutMs: number, onLate: (cause: Error) => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onLate = onLate;
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
    const waitMs = Math.max(1, oldest + this.#timeoutMs - this.#clock.monoMs());
    this.#timer = this.#clock.timer(waitMs, () => {
      // After a blocked event loop timers come first and the answers, long there, after: look again once they were
      // read.
      this.#clock.afterInput(() => {
        this.#timer = undefined;
        const now = this.#unanswered[0];
        if (now !== undefined && this.#clock.monoMs() - now >= this.#timeoutMs && now === oldest) {
          this.#onLate(new Error(`command timed out after ${this.#timeoutMs} ms`));
        } else this.#watchOldest();
      });
    });
  }
}
