import type { Clock } from "../clock.js";
import type { GrantPush } from "../databases/database.js";

/** What ended a pause: a push, or something else that came before its time. */
export type Rested = { push: GrantPush | undefined; isEarly: boolean };

/**
 * The pause of one who queues, between two askings. What comes while no pause is taken ends the next one at once: a
 * push that comes beside an answer may be older than it, so it is only a reason to ask.
 */
export class Rest {
  readonly #clock: Clock;
  #end: ((rested: Rested, error?: Error) => void) | undefined;
  #isDisturbed = false;
  #error: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(ms: number, signal: AbortSignal): Promise<Rested> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#end?.({ push: undefined, isEarly: true }, signal.reason as Error);
      const timer = this.#clock.timer(ms, () => this.#end?.({ push: undefined, isEarly: false }));
      this.#end = (rested, error) => {
        this.#end = undefined;
        this.#isDisturbed = false;
        this.#error = undefined;
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        if (error) reject(error);
        else resolve(rested);
      };
      if (signal.aborted) onAbort();
      else if (this.#isDisturbed) this.wake(this.#error);
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  wake(error?: Error): void {
    if (this.#end) return this.#end({ push: undefined, isEarly: true }, error);
    this.#isDisturbed = true;
    this.#error = error;
  }

  onPush(push: GrantPush): void {
    if (this.#end) this.#end({ push, isEarly: true });
    else this.wake();
  }
}
