import { Batch } from "./batch.js";
import { wait, type Clock, type Timer } from "./clock.js";
import type { ContentionJudge } from "./contention.js";
import type { AcquireAnswer, AcquireRequest, Holder, LeaseRecord, LeaseStore } from "./databases/database.js";
import { StoreError } from "./errors.js";
import { publish, type Condemned } from "./events.js";
import type { GiveBack } from "./give-back.js";
import type { Grant } from "./lease.js";
import type { Session, Stamp } from "./session.js";
import { joinSignals, type JoinedSignal } from "./signals.js";

/** How often a waiter looks whether the key is free, ms; drawn between half of it and all of it. */
const POLL_MS = 50;

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
  /** Aborts when the caller, a drain or close() says so. */
  signals: readonly AbortSignal[];
};

export type Acquired = { grant: Grant } | { holder: Holder };

type Answered = { answer: AcquireAnswer | { status: "again" }; stamp: Stamp; sentMs: number };

/** One acquire from first request to grant or refusal. An acquire that ends in any other way leaves nothing held. */
export class Acquisition {
  readonly #deps: AcquisitionDeps;
  readonly #batch: Batch<AcquireRequest, Answered>;
  readonly #open = new Set<number>();
  #lastNumber = 0;

  constructor(deps: AcquisitionDeps) {
    this.#deps = deps;
    this.#batch = new Batch(deps.clock, (requests) => this.#send(requests));
  }

  async run(wanted: Wanted): Promise<Acquired> {
    const attempt = new Attempt(++this.#lastNumber, wanted, this.#deps);
    this.#open.add(attempt.leaseNumber);
    try {
      return await this.#loop(attempt);
    } catch (error) {
      this.#withdraw(attempt);
      throw error;
    } finally {
      attempt.end();
      this.#open.delete(attempt.leaseNumber);
    }
  }

  async #loop(attempt: Attempt): Promise<Acquired> {
    for (;;) {
      const answered = await this.#ask(attempt);
      if (!answered) continue;
      const { answer } = answered;
      if (answer.status === "granted") {
        if (this.#deps.session.isCurrent(answered.stamp)) return { grant: attempt.grant(answer, answered) };
      } else if (answer.status === "held") {
        const holder = await this.#onHeld(attempt, answer.lease);
        if (holder) return { holder };
      } else if (answer.status === "error") throw answer.error;
      else if (answer.status === "again") {
        this.#deps.hurry();
        await this.#deps.session.news(attempt.signal);
      } else await this.#onRecovering(attempt);
    }
  }

  /** Undefined when no answer came; then the same lease number is asked for again. */
  async #ask(attempt: Attempt): Promise<Answered | undefined> {
    const { session, store, clock } = this.#deps;
    await session.whenTrusted(attempt.signal);
    const request = this.#batch.add(attempt.request());
    attempt.inFlight = request;
    try {
      return await abortable(request, attempt.signal);
    } catch (error) {
      attempt.signal.throwIfAborted();
      if (!(error instanceof StoreError)) throw error;
      attempt.lastError = error;
      if (error.isLasting || error.code === "out-of-memory" || error.code === "read-only") throw error;
      await store.whenUp(attempt.signal);
      await wait(clock, 1 + clock.random() * POLL_MS, attempt.signal); // an error of a store that is up, e.g. LOADING
      return undefined;
    }
  }

  async #onHeld(attempt: Attempt, lease: LeaseRecord): Promise<Holder | undefined> {
    const { clock, judge } = this.#deps;
    if (this.#isGhost(lease)) {
      await abortable(this.#deps.giveBack.request(lease.key, lease.leaseNumber), attempt.signal);
      return undefined;
    }
    let contention;
    try {
      contention = await abortable(judge.judge(lease), attempt.signal);
    } catch (error) {
      if (!(error instanceof StoreError) || error.isLasting) throw error;
      return undefined; // no answer: start over
    }
    attempt.onAnswer();
    if (contention.next === "take") {
      attempt.take(contention.replace, contention.takenFrom);
      return undefined;
    }
    const { holder, againInMs, limitMs } = contention;
    publish("busy", () => ({ key: lease.key, sessionId: lease.sessionId, fencingToken: lease.fencingToken }));
    const unsureLeftMs = attempt.unsureLeftMs(limitMs);
    const waitsForJudgement = contention.next === "unsure" && unsureLeftMs > 0;
    if (attempt.leftMs <= 0 && !waitsForJudgement) return holder;
    const pollMs = POLL_MS * (0.5 + clock.random() / 2);
    const leftMs = Math.max(attempt.leftMs, waitsForJudgement ? unsureLeftMs : 0);
    await wait(clock, Math.max(1, Math.min(pollMs, againInMs, leftMs)), attempt.signal);
    return undefined;
  }

  /** Nothing is granted until the window closes; the worker tells. */
  async #onRecovering(attempt: Attempt): Promise<void> {
    const { session, clock } = this.#deps;
    if (session.state?.recovering) await session.news(attempt.signal);
    else await wait(clock, POLL_MS / 2, attempt.signal);
  }

  /** A lease of this locker that nobody here knows. */
  #isGhost(lease: LeaseRecord): boolean {
    const { session, knows } = this.#deps;
    const isOurs = lease.sessionId === session.latest()?.identity.sessionId;
    return isOurs && !knows(lease.leaseNumber) && !this.#open.has(lease.leaseNumber);
  }

  /** What may have been granted, now or through an answer still on its way, is given back as soon as the store answers. */
  #withdraw(attempt: Attempt): void {
    const { inFlight, leaseNumber, wanted } = attempt;
    if (inFlight) void this.#deps.giveBack.request(wanted.key, leaseNumber, inFlight);
  }

  async #send(requests: readonly AcquireRequest[]): Promise<Answered[]> {
    const { session, store, clock, giveBack } = this.#deps;
    giveBack.flush();
    const stamp = session.stamp();
    if (!stamp) throw new StoreError("unreachable", "trust in the session has just lapsed");
    const sentMs = clock.monoMs();
    const result = await store.acquire(stamp.identity, requests);
    if (result.status !== "ok") return requests.map(() => ({ answer: { status: "again" }, stamp, sentMs }));
    return result.answers.map((answer) => ({ answer, stamp, sentMs }));
  }
}

/** What one acquire knows of itself. */
class Attempt {
  readonly leaseNumber: number;
  readonly wanted: Wanted;
  inFlight: Promise<Answered> | undefined;
  lastError: StoreError | undefined;
  readonly #deps: AcquisitionDeps;
  readonly #startedMs: number;
  readonly #stop: JoinedSignal;
  #timer: Timer;
  #replace: AcquireRequest["replace"];
  #takenFrom: Condemned | undefined;
  #unsureSinceMs: number | undefined;

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

  request(): AcquireRequest {
    const { key, lockTtlMs, trace } = this.wanted;
    return { key, lockTtlMs, trace, leaseNumber: this.leaseNumber, replace: this.#replace };
  }

  /** The store answered: from here on it has acquireTimeoutMs for the next answer. */
  onAnswer(): void {
    this.#timer.cancel();
    this.#timer = this.#startTimer();
    this.#replace = undefined;
    this.#takenFrom = undefined;
  }

  take(replace: NonNullable<AcquireRequest["replace"]>, takenFrom: Condemned): void {
    this.#replace = replace;
    this.#takenFrom = takenFrom;
  }

  grant(answer: { fencingToken: number; acquiredAtMs: number }, { stamp, sentMs }: Answered): Grant {
    const { fencingToken, acquiredAtMs } = answer;
    const { key, lockTtlMs, trace } = this.wanted;
    const { sessionId, era } = stamp.identity;
    const waitedMs = this.#deps.clock.monoMs() - this.#startedMs;
    const takenFrom = this.#takenFrom;
    publish("granted", () => ({ key, fencingToken, waitedMs, takenFrom }));
    const facts = { key, lockTtlMs, trace, leaseNumber: this.leaseNumber, fencingToken, acquiredAtMs };
    return { ...facts, sessionId, era, epoch: stamp.epoch, sentMs };
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

/** The promise, or the signal's reason if that comes first; what becomes of the promise is then handled elsewhere. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
