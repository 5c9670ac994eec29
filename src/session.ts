import type { Clock, Timer } from "./clock.js";
import type { Identity } from "./databases/database.js";
import { StoreError } from "./errors.js";
import { publish } from "./events.js";
import type { FromWorker, SessionCause, SessionState } from "./liveness-protocol.js";
import type { SharedCells } from "./shared-cells.js";

/**
 * What an answer must still agree with when it arrives: session, era (both inside the identity) and epoch of its
 * sending.
 */
export type Stamp = { identity: Identity; epoch: number };

/** A change of the session that every lease must be judged for. */
export type SessionChange = {
  cause: SessionCause;
  previous: SessionState | undefined;
  stamp: Stamp;
  eraChanged: boolean;
};

/**
 * Whether the change itself ends a lease, whatever the store would say of it. Whoever may not come back lost all it
 * had. What was not written again in an era whose window has closed, this thread having stood still, may have been
 * somebody else's there, though the era after it knows nothing of that. So may what was not asked for again since the
 * session was told, in epoch `takenEpoch` or before, that one of its leases was taken.
 */
export function isLostBy(change: SessionChange, lease: { epoch: number; era: string }, takenEpoch: number): boolean {
  const { cause, previous, stamp, eraChanged } = change;
  if (cause === "refused") return lease.epoch !== stamp.epoch;
  if (eraChanged && lease.epoch < takenEpoch) return true;
  const hasMissed = eraChanged && !previous!.recovering && lease.era !== previous!.era;
  return hasMissed && lease.era !== stamp.identity.era;
}

/**
 * How often the main thread says that it runs, measures how late it is, and lets those who wait look again, ms.
 * Messages tell of every change; the look is for one that was lost with its worker.
 */
const TICK_MS = 250;

/**
 * This process's session as the main thread knows it, beside the cells, which know the same sooner and without the
 * words.
 */
export class Session {
  readonly #clock: Clock;
  readonly #cells: SharedCells;
  readonly #lockerId: string;
  readonly #onChange: (change: SessionChange) => void;
  readonly #onNews: () => void;
  #state: SessionState | undefined;
  #stamp: Stamp | undefined;
  #failure: StoreError | undefined;
  readonly #warnings = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #lagTimer: Timer | undefined;
  #lagDueMs = 0;
  #lagMsMax = 0;

  constructor(
    clock: Clock,
    cells: SharedCells,
    lockerId: string,
    onChange: (change: SessionChange) => void,
    onNews: () => void,
  ) {
    this.#onNews = onNews;
    this.#clock = clock;
    this.#cells = cells;
    this.#lockerId = lockerId;
    this.#onChange = onChange;
  }

  start(): void {
    this.#lagDueMs = this.#clock.monoMs() + TICK_MS;
    this.#lagTimer = this.#clock.timer(TICK_MS, () => {
      const lateMs = this.#clock.monoMs() - this.#lagDueMs;
      this.#lagMsMax = Math.max(lateMs, this.#lagMsMax / 2); // the last big one still shows a few seconds later
      this.#cells.tickMain();
      this.#tell();
      this.start();
    });
  }

  stop(): void {
    this.#lagTimer?.cancel();
    this.#tell();
  }

  /** By how much the main thread's event loop was late, just now or a moment ago, ms. */
  get eventLoopLagMs(): number {
    return Math.max(0, this.#clock.monoMs() - this.#lagDueMs, this.#lagMsMax);
  }

  get state(): SessionState | undefined {
    return this.#state;
  }

  get failure(): StoreError | undefined {
    return this.#failure;
  }

  get brokenAgoMs(): number {
    return this.#cells.readBrokenAgoMs(this.#clock.monoMs());
  }

  /** What to tell who waited for the store in vain; `last`: the last failure of its own askings. */
  noAnswer(what: string, withinMs: number, last?: StoreError): StoreError {
    const cause = this.#failure ?? last;
    const why = cause ? `: ${cause.message}` : this.#state?.recovering ? ": its recovery window is open" : "";
    const message = `${what}, for the store gave no answer within ${withinMs} ms${why}`;
    return new StoreError(cause?.code ?? "unreachable", message, cause);
  }

  receive(message: FromWorker): void {
    if (message.type === "failure") {
      this.#failure = new StoreError(message.code, message.message);
      publish("store", () => ({ code: message.code, message: message.message }));
    } else if (message.type === "warning") {
      const { code, message: text } = message;
      if (!this.#warnings.has(text)) publish("store", () => ({ code, message: text }));
      this.#warnings.add(text);
    } else if (message.type === "trusted") {
      this.#failure = undefined;
      if (this.#state) this.#state = { ...this.#state, recovering: message.recovering, recoveryMs: message.recoveryMs };
    } else this.#change(message.epoch, message.cause, message.session);
    this.#tell();
  }

  /**
   * The stamp for a request sent now; undefined while this session is not trusted or something new has not been told
   * yet.
   */
  stamp(): Stamp | undefined {
    const stamp = this.#stamp;
    return stamp && this.isCurrent(stamp) ? stamp : undefined;
  }

  /**
   * Whether an answer to a request with this stamp counts. Clock first, deadlines next, epoch last (shared-cells.ts).
   */
  isCurrent(stamp: Stamp): boolean {
    const monoMs = this.#clock.monoMs();
    const wallMs = this.#clock.wallMs();
    return this.#cells.isTrusted(monoMs, wallMs) && this.#cells.readEpoch() === stamp.epoch && this.#stamp === stamp;
  }

  /** For work that needs a session but no trust: to look, to give back, to enter again. */
  latest(): Stamp | undefined {
    return this.#stamp;
  }

  /** Whether nothing has happened since that stamp; says nothing about trust. */
  isLatest(stamp: Stamp): boolean {
    return this.#stamp === stamp && this.#cells.readEpoch() === stamp.epoch;
  }

  /** Resolves when `stamp()` has one; rejects with the signal's reason, or at once when waiting cannot help. */
  async whenTrusted(signal: AbortSignal): Promise<Stamp> {
    for (;;) {
      signal.throwIfAborted();
      const stamp = this.stamp();
      if (stamp) return stamp;
      if (this.#failure?.isLasting) throw this.#failure;
      await this.news(signal);
    }
  }

  /** Resolves when something was told, or a moment later; rejects when the signal aborts. */
  news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#listeners.delete(onNews);
        signal.removeEventListener("abort", onAbort);
        act();
      };
      const onNews = () => settle(resolve);
      const onAbort = () => settle(() => reject(signal.reason as Error));
      if (signal.aborted) return onAbort();
      this.#listeners.add(onNews);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #tell(): void {
    this.#onNews();
    for (const listener of [...this.#listeners]) listener();
  }

  #change(epoch: number, cause: SessionCause, state: SessionState): void {
    const previous = this.#state;
    this.#failure = undefined;
    this.#state = state;
    const { sessionId, era, recoveryMs } = state;
    this.#stamp = { identity: { lockerId: this.#lockerId, sessionId, era, recoveryMs }, epoch };
    publish("session", () => ({ sessionId, cause, era, epoch }));
    this.#onChange({ cause, previous, stamp: this.#stamp, eraChanged: previous !== undefined && previous.era !== era });
  }
}
