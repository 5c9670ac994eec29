import { checkAcquire, checkKey, type AcquireOptions } from "./acquire-options.js";
import type { Wanted } from "./attempt.js";
import { openDatabase, openUrl } from "./databases/open.js";
import type { Database, DatabaseDescription, Holder } from "./databases/database.js";
import { Ending, type DrainResult } from "./ending.js";
import { Engine } from "./engine.js";
import { LockTimeoutError } from "./errors.js";
import type { HeldLease } from "./held-lease.js";
import type { Heartbeat, Lease } from "./lease.js";
import { checkRecovery, resolveOptions, type LockerOptions, type ResolvedOptions } from "./options.js";
import { ProcessSignals } from "./process-signals.js";
import { joinSignals } from "./signals.js";
import { surroundings as ownSurroundings, type Surroundings } from "./surroundings.js";

/** How an acquire ended. The values are the words on the wire. */
export const LockStatus = { SUCCESS: "SUCCESS", SOMEONE_ELSE_HOLDS_LOCK: "SOMEONE_ELSE_HOLDS_LOCK" } as const;
export type LockStatus = (typeof LockStatus)[keyof typeof LockStatus];

export type Busy = { status: typeof LockStatus.SOMEONE_ELSE_HOLDS_LOCK; holder: Holder };
export type AcquireResult = { status: typeof LockStatus.SUCCESS; lease: Lease } | Busy;
export type RunResult<T> =
  | {
      status: typeof LockStatus.SUCCESS;
      result: T;
      /** False when the lease was lost while the job ran on without noticing. */
      heldToTheEnd: boolean;
    }
  | Busy;
export type Job<T> = (heartbeat: Heartbeat, lease: Lease) => Promise<T> | T;
/** Locks by key for this process. One is enough for an application; start reading here. */
export class Locker implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #database: Database | undefined;
  readonly #description: DatabaseDescription;
  readonly #surroundings: Surroundings;
  readonly #ending: Ending;
  readonly #processSignals: ProcessSignals;
  #engine: Promise<Engine> | undefined;
  #running: Engine | undefined;

  /**
   * Opens nothing: that is done by the first acquire. Throws OptionError. `surroundings`: time, chance and threads of a
   * simulated machine; an application leaves it out.
   */
  constructor(options: LockerOptions, surroundings: Surroundings = ownSurroundings) {
    this.#surroundings = surroundings;
    this.#options = resolveOptions(options);
    const { database } = this.#options;
    if (typeof database === "string") this.#database = openUrl(database);
    else if ("openLeases" in database) this.#database = database;
    this.#description = this.#database?.describe() ?? { type: "module", ...(database as ModuleDatabase) };
    if (this.#database) checkRecovery(this.#database, this.#options);
    this.#processSignals = new ProcessSignals(this.#options.drainOn, (signal) =>
      this.drain(signal).then(() => this.close()),
    );
    this.#ending = new Ending({
      options: this.#options,
      engine: () => this.#engine,
      running: () => this.#running,
      onClose: () => this.#processSignals.ignore(),
    });
  }

  /**
   * Runs `fn` if the key is free, and gives it back afterwards. What `fn` throws is thrown. Being busy is an answer,
   * not an error. Rejects with StoreError when the store gives no answer within acquireTimeoutMs, with
   * DrainingSignal or LockerClosedError when this locker acquires no more, with the signal's reason when that aborts
   * the wait.
   */
  async acquireAndRun<T>(key: string, fn: Job<T>, options: AcquireOptions = {}): Promise<RunResult<T>> {
    const acquired = await this.#acquire(key, options, 0);
    if ("holder" in acquired) return { status: LockStatus.SOMEONE_ELSE_HOLDS_LOCK, holder: acquired.holder };
    const { lease, engine } = acquired;
    let result: T;
    try {
      result = await fn(lease.heartbeat, lease);
    } catch (error) {
      await engine.holdings.release(lease, true);
      throw error;
    }
    const { heldToTheEnd } = await engine.holdings.release(lease);
    return { status: LockStatus.SUCCESS, result, heldToTheEnd };
  }

  /** Like acquireAndRun, but the caller releases the lease. */
  async acquire(key: string, options: AcquireOptions = {}): Promise<AcquireResult> {
    const acquired = await this.#acquire(key, options, 0);
    if ("holder" in acquired) return { status: LockStatus.SOMEONE_ELSE_HOLDS_LOCK, holder: acquired.holder };
    return { status: LockStatus.SUCCESS, lease: acquired.lease };
  }

  /**
   * Waits for the key (for ever, unless waitMs says otherwise), runs `fn`, returns what it returns. Throws
   * LockTimeoutError.
   */
  async mutex<T>(key: string, fn: Job<T>, options: AcquireOptions = {}): Promise<T> {
    const acquired = await this.#acquire(key, options, Infinity);
    if ("holder" in acquired) throw new LockTimeoutError(key, acquired.holder, options.waitMs ?? Infinity);
    const { lease, engine } = acquired;
    let result: T;
    try {
      result = await fn(lease.heartbeat, lease);
    } catch (error) {
      await engine.holdings.release(lease, true);
      throw error;
    }
    await engine.holdings.release(lease);
    return result;
  }

  /**
   * Who holds the key; undefined when nobody does whose process is not known to be dead. Throws StoreError, or what an
   * acquire throws when this locker acquires no more.
   */
  async readHolder(key: string): Promise<Holder | undefined> {
    checkKey(key);
    const engine = await this.#start();
    const patience = joinSignals([this.#ending.signal]);
    const timer = this.#surroundings.clock.timer(this.#options.acquireTimeoutMs, () =>
      patience.abort(new Error("timeout")),
    );
    try {
      await engine.store.whenUp(patience.signal);
      const [lease] = await engine.store.readHolders(key);
      return lease && (await engine.judge.describeLiving(lease));
    } finally {
      timer.cancel();
      patience.dispose();
    }
  }

  /**
   * Stops acquiring, has every heartbeat throw DrainingSignal, waits drainTimeoutMs for the jobs, aborts the signals
   * of those that are left, waits drainAbortMs more. When all have ended the session says goodbye. A second call
   * joins the first.
   */
  drain(reason = "drain"): Promise<DrainResult> {
    return this.#ending.drainOnce(reason);
  }

  /**
   * Ends everything; jobs that still run lose their lease. Takes at most about closeTimeoutMs for them. Never rejects.
   */
  close(): Promise<void> {
    return this.#ending.closeOnce();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #acquire(key: string, options: AcquireOptions, waitMsDefault: number) {
    checkAcquire(key, options, this.#options.sessionTtlMs);
    options.signal?.throwIfAborted();
    return this.#ending.count(async () => {
      const engine = await this.#start();
      const acquired = await engine.acquisition.run(this.#wanted(key, options, waitMsDefault));
      if ("holder" in acquired) return acquired;
      return { engine, lease: await this.#keep(engine, engine.holdings.add(acquired.grant), options.signal) };
    });
  }

  #wanted(key: string, options: AcquireOptions, waitMsDefault: number): Wanted {
    const { trace = "", lockTtlMs = this.#options.lockTtlMs, waitMs = waitMsDefault, signal } = options;
    const { permits, mode = "exclusive", minHoldMs = 0 } = options;
    const { limit = 0, take = 1, perProcess = limit } = permits ?? {};
    const signals = signal ? [this.#ending.signal, signal] : [this.#ending.signal];
    const common = { key, lockTtlMs, trace, waitMs, signals, minHoldMs };
    return permits ? { ...common, mode: "permits", permits: { limit, take, perProcess } } : { ...common, mode };
  }

  /** A grant that arrives in the instant of an abort reaches nobody. */
  async #keep(engine: Engine, lease: HeldLease, signal: AbortSignal | undefined): Promise<HeldLease> {
    const reason = this.#ending.reason ?? (signal?.aborted ? (signal.reason as Error) : undefined);
    if (!reason) return lease;
    await engine.holdings.release(lease, true);
    throw reason;
  }

  #start(): Promise<Engine> {
    if (this.#ending.reason) return Promise.reject(this.#ending.reason);
    this.#engine ??= this.#open().catch((error: unknown) => {
      this.#engine = undefined; // a module that failed to load may load the next time
      throw error;
    });
    return this.#engine;
  }

  async #open(): Promise<Engine> {
    const database = this.#database ?? (await openDatabase(this.#description));
    if (!this.#database) checkRecovery(database, this.#options);
    if (this.#ending.reason) throw this.#ending.reason;
    this.#processSignals.listen();
    this.#running = new Engine(database, this.#description, this.#options, this.#ending.drain, this.#surroundings);
    return this.#running;
  }
}

type ModuleDatabase = { moduleName: string; exportName: string };
