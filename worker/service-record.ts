import type { Lived, PingAnswer } from "../src/databases/database.js";
import { readInstant, type Clock, type Instant } from "../src/clock.js";

type Served = Pick<PingAnswer, "era" | "eraNumber" | "nowMs">;

/** How this session was served of late: what decides whether it may come back after the store lost its memory. */
export class ServiceRecord {
  readonly #clock: Clock;
  readonly #gapMsMax: number;
  #lastGood: Instant = { monoMs: -Infinity, wallMs: -Infinity };
  #answer: Pick<Lived, "era" | "eraNumber" | "servedMs"> | undefined;
  #broken: Instant | undefined;
  #ranMs: number | undefined;
  #lastTick: Instant;

  /** `gapMsMax`: a thread whose timer is late by more was stopped in between. */
  constructor(clock: Clock, gapMsMax: number) {
    this.#clock = clock;
    this.#gapMsMax = gapMsMax;
    this.#lastTick = readInstant(clock);
  }

  onTick(): void {
    if (this.#isLate) this.#ranMs ??= this.#lastTick.monoMs - this.#lastGood.monoMs;
    this.#lastTick = readInstant(this.#clock);
  }

  /**
   * A ping sent then was answered with "alive". One that was not answered in time to be believed tells nobody that the
   * store went on: a master that stood still executes what waits for it when it goes on, replaced or not.
   */
  onGood(sent: Instant, { era, eraNumber, nowMs: servedMs }: Served): void {
    if (betweenMs(sent, readInstant(this.#clock)) >= this.#gapMsMax) return;
    this.#answer = { era, eraNumber, servedMs };
    this.#lastGood = { monoMs: sent.monoMs, wallMs: sent.wallMs };
    this.#broken = undefined;
    this.#ranMs = undefined;
  }

  /** The connection broke; only the first break since the last good ping counts. */
  onBreak(): void {
    this.#broken ??= readInstant(this.#clock);
  }

  /**
   * Whether a ping of this run was ever good. If not, the trust in the cells was earned by an earlier run, perhaps for
   * a session after the one that this run resumed.
   */
  get hasServed(): boolean {
    return this.#lastGood.monoMs > -Infinity;
  }

  /** What the store is told when the session enters another era; undefined while no ping was good. */
  lived(isSilent: boolean): Lived | undefined {
    return this.#answer && { ...this.#answer, trustMs: this.#gapMsMax, isSilent };
  }

  /** Time between the last good ping and the break, by the clock that says more; undefined when nothing broke. */
  get servedGapMs(): number | undefined {
    return this.#broken && betweenMs(this.#lastGood, this.#broken);
  }

  /** For how long this thread ran after its last good ping until it stood still first; Infinity while it did not. */
  get ranMs(): number {
    return this.#ranMs ?? (this.#isLate ? this.#lastTick.monoMs - this.#lastGood.monoMs : Infinity);
  }

  /** A connection may be back before the next tick is due: the time since the last one counts as well. */
  get #isLate(): boolean {
    return betweenMs(this.#lastTick, readInstant(this.#clock)) > this.#gapMsMax;
  }
}

/** By the clock that says more: the monotonic one stands still in a suspended machine, the wall clock may be set. */
function betweenMs(from: Instant, to: Instant): number {
  return Math.max(to.monoMs - from.monoMs, to.wallMs - from.wallMs);
}
