import { Attempt, type Acquired, type AcquisitionDeps, type Answered, type Wanted } from "./attempt.js";
import { Batch } from "./batch.js";
import { readInstant, wait } from "./clock.js";
import type { AcquireRequest, Holder, LeaseRecord } from "./databases/database.js";
import { StoreError } from "./errors.js";
import { publish } from "./events.js";
import type { Stamp } from "./session.js";
import { abortable } from "./signals.js";

/** How often a waiter looks whether the key is free, ms; drawn between half of it and all of it. */
const POLL_MS = 50;

/** One acquire from first request to grant or refusal. An acquire that ends in any other way leaves nothing held. */
export class Acquisition {
  readonly #deps: AcquisitionDeps;
  readonly #batch: Batch<{ request: AcquireRequest; stamp: Stamp }, Answered>;
  readonly #open = new Set<number>();
  #lastNumber = 0;

  constructor(deps: AcquisitionDeps) {
    this.#deps = deps;
    this.#batch = new Batch(deps.clock, (asked) => this.#send(asked));
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
        await this.#hurry(attempt);
      } else if (answer.status === "held") {
        const holder = await this.#onHeld(attempt, answer.holders[0]!);
        if (holder) return { holder };
      } else if (answer.status === "error") throw answer.error;
      else if (answer.status === "again") {
        this.#deps.hurry();
        await this.#deps.session.news(attempt.signal);
        await this.#hurry(attempt);
      } else await this.#onRecovering(attempt);
    }
  }

  /** Undefined when no answer came; then the same lease number is asked for again. */
  async #ask(attempt: Attempt): Promise<Answered | undefined> {
    const stamp = await this.#deps.session.whenTrusted(attempt.signal);
    const request = this.#batch.add({ request: attempt.request(stamp.identity.era), stamp });
    attempt.inFlight = request;
    try {
      return await abortable(request, attempt.signal);
    } catch (error) {
      await this.#onFailure(attempt, error);
      return undefined;
    }
  }

  /** Resolves when it is time to ask again; rejects when that is of no use. */
  async #onFailure(attempt: Attempt, error: unknown): Promise<void> {
    const { store, clock } = this.#deps;
    attempt.signal.throwIfAborted();
    if (!(error instanceof StoreError)) throw error;
    attempt.lastError = error;
    if (error.isLasting || error.code === "out-of-memory" || error.code === "read-only") throw error;
    await store.whenUp(attempt.signal).catch((cause: unknown) => {
      attempt.signal.throwIfAborted(); // the caller's reason says more than the connection's
      throw cause;
    });
    const pauseMs = 1 + clock.random() * POLL_MS; // an error of a store that is up, e.g. LOADING
    await wait(clock, Math.max(pauseMs, attempt.hurryPauseMs()), attempt.signal);
  }

  /** Something has changed, or so it seems: ask again at once, but not again and again. */
  async #hurry(attempt: Attempt): Promise<void> {
    const pauseMs = attempt.hurryPauseMs();
    if (pauseMs > 0) await wait(this.#deps.clock, pauseMs, attempt.signal);
  }

  async #onHeld(attempt: Attempt, lease: LeaseRecord): Promise<Holder | undefined> {
    const { clock, judge } = this.#deps;
    if (this.#isGhost(lease)) {
      await abortable(this.#deps.giveBack.request(lease.key, lease.leaseNumber), attempt.signal);
      await this.#hurry(attempt);
      return undefined;
    }
    let contention;
    try {
      contention = await abortable(judge.judge(lease), attempt.signal);
    } catch (error) {
      await this.#onFailure(attempt, error);
      return undefined; // start over
    }
    attempt.onAnswer();
    if (contention.next === "take") {
      attempt.take(contention.replace, lease.era, contention.takenFrom);
      await this.#hurry(attempt);
      return undefined;
    }
    const { holder, againInMs, limitMs } = contention;
    publish("busy", () => ({ key: lease.key, sessionId: lease.sessionId, fencingToken: lease.fencingToken }));
    const unsureLeftMs = contention.next === "unsure" ? attempt.unsureLeftMs(limitMs) : 0;
    if (attempt.leftMs <= 0 && unsureLeftMs <= 0) return holder;
    const pollMs = POLL_MS * (0.5 + clock.random() / 2);
    const pauseMs = againInMs < pollMs ? Math.max(againInMs, attempt.hurryPauseMs()) : pollMs;
    const leftMs = Math.max(attempt.leftMs, unsureLeftMs);
    await wait(clock, Math.max(1, Math.min(pauseMs, leftMs)), attempt.signal);
    return undefined;
  }

  /** Nothing is granted until the window closes; the worker tells. */
  async #onRecovering(attempt: Attempt): Promise<void> {
    const { session, clock } = this.#deps;
    if (session.state?.recovering) await session.news(attempt.signal);
    else await wait(clock, POLL_MS * (0.5 + clock.random() / 2), attempt.signal);
  }

  /** A lease of this locker that nobody here knows. */
  #isGhost(lease: LeaseRecord): boolean {
    const { session, knows } = this.#deps;
    const isOurs = lease.sessionId === session.latest()?.identity.sessionId;
    return isOurs && !knows(lease.leaseNumber) && !this.#open.has(lease.leaseNumber);
  }

  /**
   * What may have been granted, now or through an answer still on its way, is given back as soon as the store answers.
   */
  #withdraw(attempt: Attempt): void {
    const { inFlight, leaseNumber, wanted } = attempt;
    if (inFlight) void this.#deps.giveBack.request(wanted.key, leaseNumber, inFlight);
  }

  async #send(asked: readonly { request: AcquireRequest; stamp: Stamp }[]): Promise<Answered[]> {
    const { session, store, clock, giveBack } = this.#deps;
    giveBack.flush();
    const stamp = session.stamp();
    if (!stamp) throw new StoreError("unreachable", "trust in the session has just lapsed");
    const sent = readInstant(clock);
    const again = () => asked.map((): Answered => ({ answer: { status: "again" }, stamp, sent }));
    if (asked.some((one) => one.stamp !== stamp)) return again(); // worded for a session or era that has just ended
    const requests = asked.map(({ request }) => request);
    const result = await store.acquire(stamp.identity, requests);
    if (result.status !== "ok") return again();
    return result.answers.map((answer) => ({ answer, stamp, sent }));
  }
}
