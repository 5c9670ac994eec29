import { tellGranted } from "../attempt.js";
import type { Acquired, AcquisitionDeps, Asked, Attempt, Wanted } from "../attempt.js";
import { wait } from "../clock.js";
import type { LeaseMode, Permits } from "../databases/database.js";
import type { Grant, Heir } from "../grant.js";
import type { HeldLease } from "../held-lease.js";
import { LocalWaiter, WaiterQueue } from "./local-waiters.js";
import { Tenure } from "./tenure.js";

/** How often a holder that may be dead is looked at for those whose time is up, ms. */
const LATE_LOOK_MS = 50;

/** What a line needs of the acquisition: see there. */
export type Asker = {
  open(asked: Asked): Attempt;
  queue(attempt: Attempt, tell: { onQueued(): void; onGrant(grant: Grant): void }): Promise<void>;
  leave(attempt: Attempt, reason: Error): void;
};

/** Those of this process who wait for one key, in the order in which they came, with one place in the store's queue. */
export class Line implements Asked {
  readonly key: string;
  readonly lockTtlMs: number;
  readonly mode: LeaseMode;
  readonly permits: Permits | undefined;
  readonly minHoldMs: number;
  readonly queues = true;
  readonly #asker: Asker;
  readonly #deps: AcquisitionDeps;
  readonly #onIdle: () => void;
  readonly #waiters = new WaiterQueue();
  #attempt: Attempt | undefined;
  #tenure: Tenure | undefined;
  #isRefusing = false;
  /** The last entry in the store's queue, and who stood here when it was made: those who came later have no ticket. */
  #queued = { leaseNumber: 0, gate: 0 };

  constructor(wanted: Wanted, asker: Asker, deps: AcquisitionDeps, onIdle: () => void) {
    const { key, lockTtlMs, mode, permits, minHoldMs } = wanted;
    this.key = key;
    this.lockTtlMs = lockTtlMs;
    this.mode = mode;
    this.permits = permits && { limit: permits.limit, take: permits.take };
    this.minHoldMs = minHoldMs;
    this.#asker = asker;
    this.#deps = deps;
    this.#onIdle = onIdle;
  }

  get trace(): string {
    return this.#waiters.first?.wanted.trace ?? "";
  }

  /** A lease for each that stands here now. */
  get tokens(): number {
    return Math.max(1, Math.min(this.#waiters.size, this.#deps.localHandOffs.count));
  }

  wait(wanted: Wanted): Promise<Acquired> {
    return new Promise((resolve, reject) => {
      const { clock } = this.#deps;
      const waiter = new LocalWaiter(wanted, clock.monoMs(), resolve, reject);
      this.#waiters.add(waiter);
      waiter.startTimer(clock, () => this.#onLate(waiter));
      waiter.listen((reason) => this.#leave(waiter, () => reject(reason)));
      this.#ask();
      const leaseNumber = this.#attempt?.ticket ? this.#attempt.leaseNumber : this.#tenureNumber;
      if (leaseNumber !== undefined) wanted.onQueued?.({ leaseNumber });
    });
  }

  /** Somebody who waits has a place in the store's queue, unless the key comes to them without. */
  #ask(): void {
    if (this.#attempt || this.#tenure?.isOpen) return;
    if (this.#waiters.size === 0) return this.#onIdle();
    const attempt = this.#asker.open(this);
    this.#attempt = attempt;
    this.#asker
      .queue(attempt, {
        onQueued: () => this.#onQueued(attempt),
        onGrant: (grant) => this.#onGrant(attempt, grant),
      })
      .catch((error: unknown) => this.#onFailure(attempt, error as Error));
  }

  #onQueued(attempt: Attempt): void {
    const { leaseNumber, ticket } = attempt;
    if (ticket !== undefined) {
      if (this.#queued.leaseNumber !== leaseNumber) this.#queued = { leaseNumber, gate: this.#waiters.lastOrder };
      for (const { wanted, order } of this.#waiters.curious) {
        wanted.onQueued?.(order <= this.#queued.gate ? { leaseNumber, ticket } : { leaseNumber });
      }
    }
    void this.#refuseLate();
  }

  /** Of the grant that is handed on here. */
  get #tenureNumber(): number | undefined {
    return this.#tenure?.isOpen ? this.#tenure.leaseNumber : undefined;
  }

  #onGrant(attempt: Attempt, grant: Grant): void {
    if (this.#attempt !== attempt) return; // known already; or the last one has just left, and it was given back
    this.#attempt = undefined;
    const waiter = this.#waiters.first!;
    this.#waiters.remove(waiter);
    const gate = this.#waiters.lastOrder;
    const hasNext = () => (this.#waiters.first?.order ?? Infinity) <= gate;
    const tenure = new Tenure(grant, {
      clock: this.#deps.clock,
      ms: this.#deps.localHandOffs.ms,
      hasNext,
      next: (fencingToken) => (hasNext() ? this.#heir(fencingToken) : undefined),
      onClose: () => this.#ask(),
    });
    this.#tenure = tenure;
    tellGranted(grant, this.#deps.clock.monoMs() - waiter.startedMs, attempt);
    waiter.resolve({ grant: { ...grant, trace: waiter.wanted.trace, tenure } });
    this.#ask();
  }

  #heir(fencingToken: number): Heir {
    const waiter = this.#waiters.first!;
    this.#waiters.remove(waiter);
    const receive = (lease: HeldLease) => {
      tellGranted(lease, this.#deps.clock.monoMs() - waiter.startedMs);
      waiter.resolve({ grant: lease.grant, lease });
    };
    return { fencingToken, trace: waiter.wanted.trace, receive };
  }

  #onFailure(attempt: Attempt, error: Error): void {
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    for (let waiter = this.#waiters.first; waiter; waiter = this.#waiters.first) {
      this.#waiters.remove(waiter);
      waiter.reject(error);
    }
    this.#ask();
  }

  #onLate(waiter: LocalWaiter): void {
    waiter.isLate = true;
    void this.#refuseLate();
  }

  /** Those whose time is up are told who holds the key: once that is known, and unless that one may be dead. */
  async #refuseLate(): Promise<void> {
    if (this.#isRefusing) return;
    this.#isRefusing = true;
    while (this.#attempt && this.#waiters.late.length > 0) {
      const pauseMs = await this.#refuseOnce(this.#attempt).catch(() => undefined);
      if (pauseMs === undefined) break; // the store's next answer brings the next try
      if (this.#waiters.late.length > 0) await wait(this.#deps.clock, pauseMs);
    }
    this.#isRefusing = false;
  }

  /** Returns when to look again, ms; undefined when that is of no use before the store has answered the attempt. */
  async #refuseOnce(attempt: Attempt): Promise<number | undefined> {
    const { judge, clock, pingIntervalMs } = this.#deps;
    const { holders } = attempt;
    if (holders.length === 0) return undefined;
    const contention = await judge.judgeKey(holders);
    if (attempt !== this.#attempt) return 1;
    if (contention.next === "take") {
      attempt.take(contention, holders[0]!.era);
      attempt.wake();
      return undefined;
    }
    const { next, holder, againInMs, limitMs } = contention;
    for (const waiter of this.#waiters.late) {
      const untilMs = waiter.unsureUntil(clock.monoMs(), limitMs + 2 * pingIntervalMs);
      if (next === "busy" || clock.monoMs() >= untilMs) this.#leave(waiter, () => waiter.resolve({ holder }));
    }
    return Math.max(1, attempt.hurryPauseMs(), Math.min(againInMs, LATE_LOOK_MS));
  }

  #leave(waiter: LocalWaiter, settle: () => void): void {
    if (waiter.isGone) return;
    this.#waiters.remove(waiter);
    settle();
    const attempt = this.#attempt;
    if (this.#waiters.size > 0 || !attempt) return this.#ask();
    this.#attempt = undefined;
    this.#asker.leave(attempt, new Error("nobody waits any more"));
    this.#ask();
  }
}
