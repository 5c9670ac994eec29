import type { Clock } from "../src/clock.js";
import { offsetInterval, steppedForwardMs, type OffsetInterval } from "../src/trust.js";

/** Compares the store's clock with ours, ping by ping. */
export class StoreClock {
  readonly #clock: Clock;
  readonly #driftMs: number;
  #offset: OffsetInterval | undefined;
  #ownOffsetMs: number;

  constructor(clock: Clock, driftMs: number) {
    this.#clock = clock;
    this.#driftMs = driftMs;
    this.#ownOffsetMs = clock.wallMs() - clock.monoMs();
  }

  /**
   * Whether the store's clock certainly stepped forward since the last answer: no delay can explain it, nor what our
   * own wall clock gained on our monotonic one (then a suspended machine woke up; and a lease is believed by both, so
   * what the wall clock gained has shortened that as well).
   */
  hasStepped(storeMs: number, sentMs: number): boolean {
    const receivedMs = this.#clock.monoMs();
    const ownOffsetMs = this.#clock.wallMs() - receivedMs;
    const ownGainMs = Math.max(0, ownOffsetMs - this.#ownOffsetMs);
    const before = this.#offset;
    this.#offset = offsetInterval(storeMs, sentMs, receivedMs);
    this.#ownOffsetMs = ownOffsetMs;
    return before !== undefined && steppedForwardMs(before, this.#offset) - ownGainMs > this.#driftMs;
  }
}
