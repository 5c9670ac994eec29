// One direction of one proxied connection: bytes and events, in order, through the faults that are set.

/** "flow": passed on. "hold": kept until release(). "swallow": lost without a word. */
export type LaneMode = "flow" | "hold" | "swallow";

/**
 * Bytes, or what happens to a connection (opened, ended, reset): both travel in order and can be held or lost. While a
 * promise that comes back is pending, all that is behind it waits.
 */
export type LaneItem = Buffer | (() => void | Promise<void>);

export class Lane {
  mode: LaneMode = "flow";
  /** True once anything was swallowed: the stream has a hole and may not go on, since TCP never delivers one. */
  hasLost = false;
  readonly #write: (bytes: Buffer) => void;
  readonly #delayMs: () => number;
  readonly #travelling: LaneItem[] = [];
  readonly #held: LaneItem[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** What waits behind an item that takes its time; undefined when there is none. */
  #waiting: LaneItem[] | undefined;
  #lastDueMs = 0;
  #isClosed = false;

  constructor(write: (bytes: Buffer) => void, delayMs: () => number) {
    this.#write = write;
    this.#delayMs = delayMs;
  }

  /** Bytes read from the sender and neither delivered nor lost. */
  get heldBytes(): number {
    const sizes = [...(this.#waiting ?? []), ...this.#held, ...this.#travelling].map((item) =>
      typeof item === "function" ? 0 : item.length,
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  push(item: LaneItem): void {
    if (this.#isClosed) return;
    const nowMs = performance.now();
    // Nothing overtakes: what has less delay than its predecessor waits for it, as in a TCP stream.
    const dueMs = Math.max(nowMs + this.#delayMs(), this.#lastDueMs);
    if (dueMs <= nowMs && this.#travelling.length === 0) return this.#arrive(item);
    this.#lastDueMs = dueMs;
    this.#travelling.push(item);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const first = this.#travelling.shift();
      if (first !== undefined) this.#arrive(first);
    }, dueMs - nowMs);
    this.#timers.add(timer);
  }

  /** Lets the bytes flow again, those held first. */
  release(): void {
    this.mode = "flow";
    for (const item of this.#held.splice(0)) this.#deliver(item);
  }

  /** Delivers all that was read at once, delays or not, then `last`, and flows from now on. */
  flush(last: LaneItem): void {
    this.release();
    this.#stopTimers();
    for (const item of [...this.#travelling.splice(0), last]) this.#deliver(item);
  }

  /** Drops what is under way; nothing is delivered any more. */
  close(): void {
    this.#isClosed = true;
    this.#stopTimers();
    this.#travelling.length = 0;
    this.#held.length = 0;
    if (this.#waiting) this.#waiting.length = 0;
  }

  #arrive(item: LaneItem): void {
    if (this.mode === "flow") this.#deliver(item);
    else if (this.mode === "hold") this.#held.push(item);
    else this.hasLost = true;
  }

  #deliver(item: LaneItem): void {
    if (this.#waiting) return void this.#waiting.push(item);
    if (typeof item !== "function") return this.#write(item);
    const done = item();
    if (!done) return;
    const waiting: LaneItem[] = (this.#waiting = []);
    const goOn = () => {
      this.#waiting = undefined;
      for (const next of waiting) this.#deliver(next);
    };
    void done.then(goOn, goOn);
  }

  #stopTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
