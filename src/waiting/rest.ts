import type { Clock } from "../clock.js";
import type { GrantPush } from "../databases/database.js";

/** What ended a pause. `isBeside`: the push came beside an answer, so that either may be the older one. */
export type Rested = { push?: GrantPush | undefined; isBeside?: boolean; isEarly: boolean };

/** The pause of one who queues, between two askings. What comes while no pause is taken ends the next one at once. */
export class Rest {
  readonly #clock: Clock;
  #end: ((rested: Rested, error?: Error) => void) | undefined;
  #missed: { push?: GrantPush; error?: Error | undefined } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(ms: number, signal: AbortSignal): Promise<Rested> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#end?.({ isEarly: true }, signal.reason as Error);
      const timer = this.#clock.timer(ms, () => this.#end?.({ isEarly: false }));
      this.#end = (rested, error) => {
        this.#end = undefined;
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

  wake(error?: Error): void {
    if (this.#end) this.#end({ isEarly: true }, error);
    else this.#missed = { ...this.#missed, error };
  }

  onPush(push: GrantPush): void {
    if (this.#end) this.#end({ push, isEarly: true });
    else this.#missed = { ...this.#missed, push };
  }
}
