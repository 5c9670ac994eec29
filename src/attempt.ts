import type { Clock, Instant, Timer } from "./clock.js";
import type { ContentionJudge } from "./contention.js";
import type { AcquireAnswer, AcquireRequest, Holder, LeaseStore, Replaced } from "./databases/database.js";
import { StoreError } from "./errors.js";
import { publish, type Condemned } from "./events.js";
import type { GiveBack } from "./give-back.js";
import type { Grant } from "./held-lease.js";
import type { Session, Stamp } from "./session.js";
import { joinSignals, type JoinedSignal } from "./signals.js";

/**
 * Who asks again in a hurry does so because something has just changed, which is rare. Beyond a burst the pace is one
 * look in so many ms, whatever the store answers: a look takes up to three commands.
 */
const HURRY_MS = 75;
const HURRY_BURST = 5;

export type AcquisitionDeps = {
  clock: Clock;
  store: LeaseStore;
  session: Session;
  judge: ContentionJudge;
  giveBack: GiveBack;
  acquireTimeoutMs: number;
  pingIntervalMs: number;
  /** Whether this locker knows the lease that the store says is its own. */
  knows(leaseNumber: number): boolean;
  /** Asks the worker to look at once. */
  hurry(): void;
};

export type Wanted = {
  key: string;
  lockTtlMs: number;
  trace: string;
  waitMs: number;
  mode: "exclusive" | "shared" | "permits";
  /** For mode "permits". `perProcess`: how many this process has at most. */
  permits?: { limit: number; take: number; perProcess: number };
  /** How long the key stays taken after the grant when the job succeeds, ms; 0: not at all. */
  minHoldMs: number;
  /**
   * Called whenever this wait was put into the key's queue, with the lease number and the ticket of its entry, or into
   * a line of this process that stands in the queue or holds the key already: then with the line's lease number, and no
   * ticket.
   */
  onQueued?: (entry: { leaseNumber: number; ticket?: number }) => void;
  /** Aborts when the caller, a drain or close() says so. */
  signals: readonly AbortSignal[];
};

export type Acquired = { grant: Grant } | { holder: Holder };

export type Answered = { answer: AcquireAnswer | { status: "again" }; stamp: Stamp; sent: Instant };

/** What one acquire knows of itself. */
export class Attempt {
  readonly leaseNumber: number;
  readonly wanted: Wanted;
  inFlight: Promise<Answered> | undefined;
  lastError: StoreError | undefined;
  readonly #deps: AcquisitionDeps;
  readonly #startedMs: number;
  readonly #stop: JoinedSignal;
  #timer: Timer;
  #replace: Replaced | undefined;
  #replaceEra = "";
  #takenFrom: Condemned | undefined;
  #unsureSinceMs: number | undefined;
  #hurryFromMs = -Infinity;

  constructor(leaseNumber: number, wanted: Wanted, deps: AcquisitionDeps) {
    this.leaseNumber = leaseNumber;
    this.wanted = wanted;
    this.#deps = deps;
    this.#startedMs = deps.clock.monoMs();
    this.#stop = joinSignals(wanted.signals);
    this.#timer = this.#startTimer();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** How much of waitMs is left, ms. */
  get leftMs(): number {
    return this.wanted.waitMs - (this.#deps.clock.monoMs() - this.#startedMs);
  }

  /** How long a holder that cannot be judged yet is still waited for: its own limit, and a ping. */
  unsureLeftMs(limitMs: number): number {
    const nowMs = this.#deps.clock.monoMs();
    this.#unsureSinceMs ??= nowMs;
    return this.#unsureSinceMs + limitMs + 2 * this.#deps.pingIntervalMs - nowMs;
  }

  /** How long to wait before asking again in a hurry, ms: not at all, unless that has been done too often of late. */
  hurryPauseMs(): number {
    const { clock } = this.#deps;
    const nowMs = clock.monoMs();
    this.#hurryFromMs = Math.max(this.#hurryFromMs, nowMs - HURRY_BURST * HURRY_MS) + HURRY_MS;
    const waitMs = this.#hurryFromMs - nowMs;
    return waitMs <= 0 ? 0 : waitMs * (0.5 + clock.random());
  }

  /**
   * What to ask for in that era. A holder found dead in an earlier one is not replaced: it may have entered this era
   * since, and have written its lease again under the same session and token.
   */
  request(era: string): AcquireRequest {
    const { key, lockTtlMs, trace } = this.wanted;
    const replace = this.#replaceEra === era ? this.#replace : undefined;
    return { key, lockTtlMs, trace, leaseNumber: this.leaseNumber, replace: replace && [replace] };
  }

  /** The store answered: from here on it has acquireTimeoutMs for the next answer. */
  onAnswer(): void {
    this.#timer.cancel();
    this.#timer = this.#startTimer();
    this.#replace = undefined;
    this.#takenFrom = undefined;
  }

  /** Its holder is dead: ask for the key in place of exactly that lease, as it was found in that era. */
  take(replace: Replaced, era: string, takenFrom: Condemned): void {
    this.#replace = replace;
    this.#replaceEra = era;
    this.#takenFrom = takenFrom;
  }

  grant(answer: { fencingToken: number; acquiredAtMs: number }, { stamp, sent }: Answered): Grant {
    const { fencingToken, acquiredAtMs } = answer;
    const { key, lockTtlMs, trace } = this.wanted;
    const { sessionId, era } = stamp.identity;
    const waitedMs = this.#deps.clock.monoMs() - this.#startedMs;
    const takenFrom = this.#takenFrom;
    publish("granted", () => ({ key, fencingToken, waitedMs, takenFrom }));
    const facts = { key, lockTtlMs, trace, leaseNumber: this.leaseNumber, fencingToken, acquiredAtMs };
    return { ...facts, sessionId, era, epoch: stamp.epoch, sent };
  }

  end(): void {
    this.#timer.cancel();
    this.#stop.dispose();
  }

  #startTimer(): Timer {
    const { acquireTimeoutMs, clock, session } = this.#deps;
    return clock.timer(acquireTimeoutMs, () =>
      clock.afterInput(() => {
        const cause = session.failure ?? this.lastError;
        const why = cause ? `: ${cause.message}` : session.state?.recovering ? ": its recovery window is open" : "";
        const key = JSON.stringify(this.wanted.key);
        const message = `${key} was not acquired, for the store gave no answer within ${acquireTimeoutMs} ms${why}`;
        this.#stop.abort(new StoreError(cause?.code ?? "unreachable", message, cause));
      }),
    );
  }
}
