import type { Clock } from "../clock.js";
import type { GrantPush } from "../databases/database.js";

/** What ended a pause. */
export type Rested = { isEarly: boolean };
/** `isBeside`: it came beside an answer, so that either may be the older one. Returns whether it is believed. */
export type OnGrantPush = (push: GrantPush, isBeside: boolean) => boolean;

type Missed = { push?: GrantPush; error?: Error | undefined };
type Ended = Rested & Missed & { isBeside?: boolean };

/** The pause of one who queues, between two askings. What comes while no pause is taken ends the next one at once. */
export class Rest {
  readonly #clock: Clock;
  #end: ((how: Ended) => void) | undefined;
  #shorten: ((ms: number) => void) | undefined;
  /** The next pause is no longer than that, ms. */
  #atMostMs = Infinity;
  #missed: Missed | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A grant that is believed has been told before the pause ends. */
  take(ms: number, signal: AbortSignal, onGrantPush: OnGrantPush): Promise<Rested> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#end?.({ isEarly: true, error: signal.reason as Error });
      const start = (pauseMs: number) => this.#clock.timer(pauseMs, () => this.#end?.({ isEarly: false }));
      const firstMs = Math.min(ms, this.#atMostMs);
      let dueMs = this.#clock.monoMs() + firstMs;
      let timer = start(firstMs);
      this.#atMostMs = Infinity;
      this.#shorten = (pauseMs) => {
        const soonerMs = this.#clock.monoMs() + pauseMs;
        if (soonerMs >= dueMs) return; // said again and again it would put the asking off for ever
        dueMs = soonerMs;
        timer.cancel();
        timer = start(pauseMs);
      };
      this.#end = ({ isEarly, error, push, isBeside = false }) => {
        this.#end = undefined;
        this.#shorten = undefined;
        this.#missed = undefined;
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        if (error) reject(error);
        else if (push && onGrantPush(push, isBeside)) this.#clock.afterInput(() => resolve({ isEarly }));
        else resolve({ isEarly });
      };
      if (signal.aborted) onAbort();
      else if (this.#missed) this.#end({ ...this.#missed, isBeside: true, isEarly: true });
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** From now on the pause under way, or the next one, lasts so long at most. */
  shorten(ms: number): void {
    if (this.#shorten) this.#shorten(ms);
    else this.#atMostMs = ms;
  }

  wake(error?: Error): void {
    if (this.#end) this.#end({ isEarly: true, error });
    else this.#missed = { ...this.#missed, error };
  }

  onPush(push: GrantPush): void {
    if (this.#end) this.#end({ push, isEarly: true });
    else this.#missed = { ...this.#missed, push };
  }
}
