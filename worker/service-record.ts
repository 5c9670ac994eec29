import type { Clock } from "../src/clock.js";

type Instant = { monoMs: number; wallMs: number };

/** How this session was served of late: what decides whether it may come back after the store lost its memory. */
export class ServiceRecord {
  readonly #clock: Clock;
  readonly #gapMsMax: number;
  #lastGood: Instant = { monoMs: -Infinity, wallMs: -Infinity };
  #broken: Instant | undefined;
  #ranWithoutGap = true;
  #lastTickMs: number;

  /** `gapMsMax`: a thread whose timer is late by more was stopped in between. */
  constructor(clock: Clock, gapMsMax: number) {
    this.#clock = clock;
    this.#gapMsMax = gapMsMax;
    this.#lastTickMs = clock.monoMs();
  }

  onTick(): void {
    const nowMs = this.#clock.monoMs();
    if (nowMs - this.#lastTickMs > this.#gapMsMax) this.#ranWithoutGap = false;
    this.#lastTickMs = nowMs;
  }

  /** A ping sent then was answered with "alive". */
  onGood(sent: Instant): void {
    this.#lastGood = { monoMs: sent.monoMs, wallMs: sent.wallMs };
    this.#broken = undefined;
    this.#ranWithoutGap = true;
  }

  /** The connection broke; only the first break since the last good ping counts. */
  onBreak(): void {
    this.#broken ??= { monoMs: this.#clock.monoMs(), wallMs: this.#clock.wallMs() };
  }

  /** Time between the last good ping and the break, by the clock that says more; undefined when nothing broke. */
  get servedGapMs(): number | undefined {
    if (!this.#broken) return undefined;
    const { monoMs, wallMs } = this.#broken;
    return Math.max(monoMs - this.#lastGood.monoMs, wallMs - this.#lastGood.wallMs);
  }

  get ranWithoutGap(): boolean {
    return this.#ranWithoutGap;
  }
}
