import { Attempt, tellBusy, tellGranted } from "./attempt.js";
import type { Acquired, AcquisitionDeps, Answered, Asked, AttemptDeps, Wanted } from "./attempt.js";
import { Batch } from "./batch.js";
import { Patience, readInstant, wait } from "./clock.js";
import type { AcquireAnswer, Holder, LeaseRecord, WaiterPush } from "./databases/database.js";
import { LockModeError, StoreError } from "./errors.js";
import type { Grant } from "./grant.js";
import { OpenAttempts } from "./open-attempts.js";
import { draw, findRefusal, hurry, POLL_MS } from "./refusal.js";
import type { Stamp } from "./session.js";
import type { Rested } from "./waiting/rest.js";
import { Lines } from "./waiting/lines.js";
import { isGoodAsAnswer } from "./waiting/push.js";
import { Shares } from "./waiting/shares.js";
import { Watcher } from "./waiting/watcher.js";

/** How often one who queues asks again, ms: for grants that were told to nobody, and to show that it still waits. */
const WAITER_POLL_MS = 1_000;

type Taken = Extract<AcquireAnswer, { status: "held" | "queued" }>;
type QueueEvents = {
  /** Whenever the store has said who holds the key. */
  onQueued(): void;
  /** Once, or again with the same grant. */
  onGrant(grant: Grant): void;
};
type OnTaken<T> = (answer: Taken, answered: Answered) => Promise<T | undefined>;

/** Acquires from first request to grant or refusal. One that ends in any other way leaves nothing held. */
export class Acquisition {
  readonly #deps: AttemptDeps;
  readonly #batch: Batch<{ attempt: Attempt; stamp: Stamp }, Answered>;
  readonly #watcher: Watcher;
  readonly #lines: Lines;
  readonly #shares: Shares;
  readonly #open: OpenAttempts;

  constructor(deps: AcquisitionDeps) {
    const { clock, acquireTimeoutMs } = deps;
    this.#deps = { ...deps, patience: new Patience(clock, acquireTimeoutMs, (attempt: Attempt) => attempt.onLate()) };
    this.#open = new OpenAttempts(deps);
    this.#batch = new Batch(deps.clock, (asked) => this.#send(asked));
    this.#watcher = new Watcher(deps);
    this.#lines = new Lines(this, deps);
    this.#shares = new Shares(deps, (wanted) => this.#run(wanted));
  }

  run(wanted: Wanted): Promise<Acquired> {
    const { permits } = wanted;
    return permits && permits.perProcess < permits.limit ? this.#shares.run(wanted) : this.#run(wanted);
  }

  /** Without patience it never queues. */
  #run(wanted: Wanted): Promise<Acquired> {
    return wanted.waitMs > 0 ? this.#lines.wait(wanted) : this.#runOnce(wanted);
  }

  #runOnce(wanted: Wanted): Promise<Acquired> {
    const startedMs = this.#deps.clock.monoMs();
    const { key, lockTtlMs, trace, mode, permits, minHoldMs } = wanted;
    const asked = { key, lockTtlMs, trace, mode, permits, minHoldMs, tokens: 1, queues: false };
    const attempt = this.open(asked, wanted.signals);
    attempt.take({ replace: wanted.revoked?.leases }, wanted.revoked?.era ?? "");
    const onTaken: OnTaken<Acquired> = async ({ holders }) => {
      const holder = await this.#onHeld(attempt, holders);
      return holder && { holder };
    };
    return this.#settle(attempt, onTaken).then((acquired) => {
      if ("grant" in acquired) tellGranted(acquired.grant, this.#deps.clock.monoMs() - startedMs, attempt);
      return acquired;
    });
  }

  /** For one who queues: see queue(). */
  open(asked: Asked, signals: readonly AbortSignal[] = []): Attempt {
    const attempt = new Attempt(this.#deps.nextNumber(), asked, signals, this.#deps);
    this.#open.add(attempt);
    return attempt;
  }

  /** Tells the grant, and resolves when that is settled. Rejects when there is none. */
  async queue(attempt: Attempt, tell: QueueEvents): Promise<void> {
    const onTaken: OnTaken<{ grant: Grant }> = (answer, answered) => this.#onQueued(attempt, answer, answered, tell);
    tell.onGrant((await this.#settle(attempt, onTaken)).grant);
  }

  /** Nobody waits for it any more. */
  leave(attempt: Attempt, reason: Error): void {
    attempt.abort(reason);
    this.#withdraw(attempt); // at once, so that whoever closes the locker now waits for it
  }

  /** A number that is not open holds already, or it was given back, which is asked for until it was answered. */
  onPush(push: WaiterPush): void {
    this.#open.get(push.leaseNumber)?.onPush(push);
  }

  /** A request that is not answered is asked again under the same lease number. */
  async #settle<T>(attempt: Attempt, onTaken: OnTaken<T>): Promise<T | { grant: Grant }> {
    const { session } = this.#deps;
    const onFailure = (error: unknown) => this.#onFailure(attempt, error);
    try {
      for (;;) {
        attempt.stop.throwIfAborted();
        const stamp = session.stamp() ?? (await session.whenTrusted(attempt.signal));
        attempt.inFlight = this.#batch.add({ attempt, stamp });
        const answered = await attempt.stop.within(attempt.inFlight).catch(onFailure);
        if (!answered) continue;
        const { answer } = answered;
        if (answer.status === "granted" && session.isCurrent(answered.stamp)) {
          return { grant: attempt.grant(answer, answered) };
        }
        const outcome = await this.#onNoGrant(attempt, answered, onTaken);
        if (outcome) return outcome;
      }
    } catch (error) {
      this.#withdraw(attempt);
      throw error;
    } finally {
      this.#open.end(attempt);
    }
  }

  /** What it came to, if anything; else it is time to ask again. */
  async #onNoGrant<T>(attempt: Attempt, answered: Answered, onTaken: OnTaken<T>): Promise<T | undefined> {
    const { answer } = answered;
    const { clock, session, hurry: hurryWorker } = this.#deps;
    if (answer.status === "held" || answer.status === "queued") {
      return (await this.#gaveBackGhost(attempt, answer.holders)) ? undefined : onTaken(answer, answered);
    }
    if (answer.status === "error") await this.#onRefused(attempt, answer);
    else if (answer.status === "recovering") await this.#onRecovering(attempt);
    else {
      if (answer.status === "again") {
        hurryWorker();
        await session.news(attempt.signal);
      }
      await hurry(attempt, clock); // also when a grant came too late to be believed
    }
    return undefined;
  }

  /** Resolves when it is time to ask again; rejects when that is of no use. */
  async #onFailure(attempt: Attempt, error: unknown): Promise<undefined> {
    const { store, clock } = this.#deps;
    attempt.stop.throwIfAborted();
    if (!(error instanceof StoreError)) throw error;
    attempt.lastError = error;
    if (error.isLasting || error.code === "out-of-memory" || error.code === "read-only") throw error;
    await store.whenUp(attempt.signal).catch((cause: unknown) => {
      attempt.stop.throwIfAborted(); // the caller's reason says more than the connection's
      throw cause;
    });
    const pauseMs = 1 + clock.random() * POLL_MS; // an error of a store that is up, e.g. LOADING
    await wait(clock, Math.max(pauseMs, attempt.hurryPauseMs()), attempt.signal);
  }

  /** What cannot be had in that mode beside the living may be had in place of the dead. */
  async #onRefused(attempt: Attempt, { error, holders = [] }: Extract<AcquireAnswer, { status: "error" }>) {
    if (!(error instanceof LockModeError) || holders.length === 0) throw error;
    const holder = await this.#onHeld(attempt, holders, true);
    if (holder) throw error.heldBy(holder);
  }

  /** The holder because of whom it must be given up, if there is one. */
  async #onHeld(attempt: Attempt, holders: readonly LeaseRecord[], isMisfit = false): Promise<Holder | undefined> {
    try {
      return await findRefusal(attempt, holders, isMisfit, this.#deps);
    } catch (error) {
      await this.#onFailure(attempt, error);
      return undefined; // start over
    }
  }

  /** Waits for the push of the grant, and asks again after a while. The first in the queue watches meanwhile. */
  async #onQueued(attempt: Attempt, answer: Taken, answered: Answered, tell: QueueEvents) {
    const { holders } = answer;
    attempt.onQueued(answer);
    tellBusy(holders[0]!);
    tell.onQueued();
    const unfit = answer.status === "queued" ? answer.unfit : [];
    const stopWatching = attempt.isFirst ? this.#watcher.start(attempt, holders, unfit) : undefined;
    const { lockTtlMs } = attempt.asked;
    let rested: Rested;
    let grant: Grant | undefined;
    attempt.onGrantPush = (push, isBeside) => {
      if (!isGoodAsAnswer(push, isBeside, { ...answered, holders }, lockTtlMs, this.#deps)) return false;
      grant = attempt.grant(push, answered);
      tell.onGrant(grant); // at once: a job waits for it
      return true;
    };
    try {
      rested = await attempt.rest(Math.min(draw(this.#deps.clock, WAITER_POLL_MS), lockTtlMs / 5));
    } catch (error) {
      await this.#onFailure(attempt, error);
      return undefined;
    } finally {
      stopWatching?.();
    }
    if (grant) return { grant };
    if (rested.isEarly) await hurry(attempt, this.#deps.clock);
    return undefined;
  }

  /** Nothing is granted until the window closes; the worker tells. */
  async #onRecovering(attempt: Attempt): Promise<void> {
    const { session, clock } = this.#deps;
    if (session.state?.recovering) await session.news(attempt.signal);
    else await wait(clock, draw(clock, POLL_MS), attempt.signal);
  }

  /** A lease of this locker that nobody here knows is given back, and the key asked for again. */
  async #gaveBackGhost(attempt: Attempt, holders: readonly LeaseRecord[]): Promise<boolean> {
    const ghost = holders.find((lease) => this.#isGhost(lease));
    if (!ghost) return false;
    await attempt.stop.within(this.#deps.giveBack.request(ghost.key, ghost.leaseNumber));
    await hurry(attempt, this.#deps.clock);
    return true;
  }

  #isGhost(lease: LeaseRecord): boolean {
    const { session, knows } = this.#deps;
    const isOurs = !lease.isKept && lease.sessionId === session.latest()?.identity.sessionId;
    return isOurs && !knows(lease.leaseNumber) && !this.#open.get(lease.leaseNumber);
  }

  /**
   * What may have been granted, now or through an answer still on its way, is given back as soon as the store answers,
   * and with it the place in the queue.
   */
  #withdraw(attempt: Attempt): void {
    const { inFlight, leaseNumber, asked } = attempt;
    attempt.inFlight = undefined;
    if (inFlight) void this.#deps.giveBack.request(asked.key, leaseNumber, inFlight);
  }

  async #send(asked: readonly { attempt: Attempt; stamp: Stamp }[]): Promise<Answered[]> {
    const { session, store, clock, giveBack } = this.#deps;
    giveBack.flush();
    const stamp = session.stamp();
    if (!stamp) throw new StoreError("unreachable", "trust in the session has just lapsed");
    const sent = readInstant(clock);
    const again = () => asked.map((): Answered => ({ answer: { status: "again" }, stamp, sent }));
    if (asked.some((one) => one.stamp !== stamp)) return again(); // of a session or era that has just ended
    const requests = asked.map(({ attempt }) => attempt.request(stamp.identity.era));
    const result = await store.acquire(stamp.identity, requests);
    if (result.status !== "ok") return again();
    return result.answers.map((answer) => ({ answer, stamp, sent }));
  }
}
