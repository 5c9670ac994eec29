import type { Clock } from "../clock.js";
import type { GrantPush } from "../databases/database.js";

/** What ended a pause. `isBeside`: the push came beside an answer, so that either may be the older one. */
export type Rested = { push?: GrantPush | undefined; isBeside?: boolean; isEarly: boolean };

/** The pause of one who queues, between two askings. What comes while no pause is taken ends the next one at once. */
export class Rest {
  readonly #clock: Clock;
  #end: ((rested: Rested, error?: Error) => void) | undefined;
  #shorten: ((ms: number) => void) | undefined;
  /** The next pause is no longer than that, ms. */
  #atMostMs = Infinity;
  #missed: { push?: GrantPush; error?: Error | undefined } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(ms: number, signal: AbortSignal): Promise<Rested> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#end?.({ isEarly: true }, signal.reason as Error);
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
      this.#end = (rested, error) => {
        this.#end = undefined;
        this.#shorten = undefined;
        this.#missed = undefined;
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        if (error) reject(error);
        else resolve(rested);
      };
      if (signal.aborted) onAbort();
      else if (this.#missed) this.#end({ push: this.#missed.push, isBeside: true, isEarly: true }, this.#missed.error);
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** From now on the pause under way, or the next one, lasts so long at most. */
  shorten(ms: number): void {
    if (this.#shorten) this.#shorten(ms);
    else this.#atMostMs = ms;
  }

  wake(error?: Error): void {
    if (this.#end) this.#end({ isEarly: true }, error);
    else this.#missed = { ...this.#missed, error };
  }

  onPush(push: GrantPush): void {
    if (this.#end) this.#end({ push, isEarly: true });
    else this.#missed = { ...this.#missed, push };
  }
}
