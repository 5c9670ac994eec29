import type { Clock, Timer } from "./clock.js";
import type { HeldKey } from "./held-context.js";

/** One wait of a task that holds leases: what it is called, what its task holds, and how it is ended. */
export class BlockedWait {
  readonly key: string;
  readonly signal: AbortSignal;
  leaseNumber = 0;
  /** When it began to wait, the store's µs. */
  ticket = 0;
  isOver = false;
  /** All leases under which it was ever said that their task waits: also one that is over may still have its mark. */
  readonly markedLeases = new Set<number>();
  /** What was said last, until it is answered. */
  underWay: Promise<void> | undefined;
  onFirstQueued: (() => void) | undefined;
  readonly #holds: readonly HeldKey[];
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #markedMs = -Infinity;
  #marked = "";
  #pause: { timer: Timer; resolve: () => void } | undefined;
  #isDisturbed = false;

  constructor(key: string, holds: readonly HeldKey[], clock: Clock) {
    this.key = key;
    this.signal = this.#stop.signal;
    this.#holds = holds;
    this.#clock = clock;
  }

  get isQueued(): boolean {
    return this.leaseNumber > 0 && !this.isOver;
  }

  get isMarked(): boolean {
    return this.markedLeases.size > 0;
  }

  /** By number, without those that were given back meanwhile. */
  get leases(): readonly number[] {
    return this.#holds.filter((one) => !one.isOver()).map(({ leaseNumber }) => leaseNumber);
  }

  /** Without a ticket it stands in a line of this process: then the clock says since when. */
  onQueued({ leaseNumber, ticket }: { leaseNumber: number; ticket?: number }): void {
    const isFirst = !this.isQueued;
    const isNews = isFirst || leaseNumber !== this.leaseNumber || (ticket !== undefined && ticket !== this.ticket);
    this.leaseNumber = leaseNumber;
    this.ticket = ticket ?? (this.ticket || Math.round(this.#clock.wallMs() * 1_000));
    if (isFirst) this.onFirstQueued?.();
    else if (isNews) this.wake();
  }

  needsMark(afterMs: number): boolean {
    return this.#marked !== this.#words() || this.#clock.monoMs() >= this.#markedMs + afterMs;
  }

  /** It is said now; call what comes back once it was heard. */
  mark(): () => void {
    const [words, atMs] = [this.#words(), this.#clock.monoMs()];
    for (const leaseNumber of this.leases) this.markedLeases.add(leaseNumber);
    return () => {
      this.#marked = words;
      this.#markedMs = atMs;
    };
  }

  markAgain(): void {
    this.#markedMs = -Infinity;
    this.wake();
  }

  holdsOneOf(leaseNumbers: ReadonlySet<number>): boolean {
    return this.leases.some((leaseNumber) => leaseNumbers.has(leaseNumber));
  }

  /** Ends early when there is something new. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const isShort = this.isOver || this.#isDisturbed;
      this.#isDisturbed = false;
      this.#pause = { timer: this.#clock.timer(isShort ? 0 : ms, () => this.#resume()), resolve };
    });
  }

  wake(): void {
    if (!this.#pause) this.#isDisturbed = true;
    this.#resume();
  }

  /** The wait ends with that error. */
  stop(error: Error): void {
    this.#stop.abort(error);
  }

  /** It was granted its key, or gave up. */
  end(): void {
    this.isOver = true;
    this.#resume();
  }

  #resume(): void {
    this.#pause?.timer.cancel();
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  #words(): string {
    return `${this.leaseNumber} ${this.ticket} ${this.leases.join(" ")}`;
  }
}
