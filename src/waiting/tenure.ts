import type { Clock, Timer } from "../clock.js";
import type { Grant, Heir, Succession } from "../grant.js";
import type { HeldLease } from "../held-lease.js";

export type TenureDeps = {
  clock: Clock;
  /** How long leases are handed on after the grant, ms. */
  ms: number;
  /** The next of those who stood in line when the grant came. */
  next(fencingToken: number): Heir | undefined;
  /** Whether there is another one of them. */
  hasNext(): boolean;
  /** Whoever else waits is to ask the store. */
  onClose(): void;
};

/**
 * One grant of the store, and the leases that this process makes of it: those who stood in line when it came have it
 * one after the other, for a while. It is closed as soon as no other will have it, which may be long before the last
 * one's job ends.
 */
export class Tenure implements Succession {
  readonly #deps: TenureDeps;
  readonly #lastToken: number;
  readonly #endsMs: number;
  #timer: Timer | undefined;
  #isOpen = true;

  constructor({ fencingToken, lastToken }: Grant, deps: TenureDeps) {
    this.#deps = deps;
    this.#lastToken = lastToken;
    this.#endsMs = deps.clock.monoMs() + deps.ms;
    if (fencingToken < lastToken && deps.hasNext()) this.#timer = deps.clock.timer(deps.ms, () => this.#close());
    else this.#isOpen = false;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Only what is held is handed on, by the look that answers a heartbeat. The time is read at each hand-off: a chain of
   * jobs that wait for nothing lets no timer fire.
   */
  next(lease: HeldLease): Heir | undefined {
    if (!this.#isOpen) return undefined;
    const { clock, next, hasNext } = this.#deps;
    const mayGoOn = clock.monoMs() < this.#endsMs && lease.state === "held" && !lease.isDraining;
    const heir = mayGoOn ? next(lease.fencingToken + 1) : undefined;
    if (!heir || heir.fencingToken >= this.#lastToken || !hasNext()) this.#close();
    return heir;
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#timer?.cancel();
    this.#deps.onClose();
  }
}
