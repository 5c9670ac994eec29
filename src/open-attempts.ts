import type { Attempt, AttemptDeps } from "./attempt.js";
import type { Clock } from "./clock.js";

/** The attempts of a locker that have not ended, by lease number. */
export class OpenAttempts {
  readonly #clock: Clock;
  readonly #open = new Map<number, Attempt>();
  /** Those that end in this turn of the event loop. */
  readonly #ending: Attempt[] = [];

  constructor({ clock }: Pick<AttemptDeps, "clock">) {
    this.#clock = clock;
  }

  add(attempt: Attempt): void {
    this.#open.set(attempt.leaseNumber, attempt);
  }

  get(leaseNumber: number): Attempt | undefined {
    return this.#open.get(leaseNumber);
  }

  /** Its grant is a few promises away from the holdings: until it is there, another answer must not call it a ghost. */
  end(attempt: Attempt): void {
    attempt.end();
    if (this.#ending.push(attempt) > 1) return;
    this.#clock.afterInput(() => {
      for (const { leaseNumber } of this.#ending.splice(0)) this.#open.delete(leaseNumber);
    });
  }
}
