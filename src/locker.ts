import { openDatabase, openUrl } from "./databases/open.js";
import type { Database, DatabaseDescription, Holder } from "./databases/database.js";
import { Engine } from "./engine.js";
import { DrainingSignal, LockerClosedError, LockTimeoutError } from "./errors.js";
import { publish } from "./events.js";
import type { HeldLease } from "./held-lease.js";
import type { Heartbeat, Lease } from "./lease.js";
import { checkAcquire, checkKey, checkRecovery, resolveOptions } from "./options.js";
import type { AcquireOptions, LockerOptions, ResolvedOptions } from "./options.js";
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
export type DrainResult = {
  /** Whether every job has ended. */
  settled: boolean;
  /** The keys of those that have not. */
  left: string[];
};

/** Locks by key for this process. One is enough for an application; start reading here. */
export class Locker implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #database: Database | undefined;
  readonly #description: DatabaseDescription;
  readonly #surroundings: Surroundings;
  readonly #stop = new AbortController();
  readonly #drain = { reason: undefined as Error | undefined, signal: this.#stop.signal };
  readonly #processSignals: ProcessSignals;
  #engine: Promise<Engine> | undefined;
  #running: Engine | undefined;
  #acquiring = 0;
  readonly #waitForAcquires: (() => void)[] = [];
  #draining: Promise<DrainResult> | undefined;
  #closing: Promise<void> | undefined;

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
      await engine.holdings.release(lease);
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
    try {
      return await fn(acquired.lease.heartbeat, acquired.lease);
    } finally {
      await acquired.lease.release();
    }
  }

  /**
   * Who holds the key; undefined when nobody does whose process is not known to be dead. Throws StoreError, or what an
   * acquire throws when this locker acquires no more.
   */
  async readHolder(key: string): Promise<Holder | undefined> {
    checkKey(key);
    const engine = await this.#start();
    const patience = joinSignals([this.#stop.signal]);
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
    this.#draining ??= this.#runDrain(reason);
    return this.#draining;
  }

  /**
   * Ends everything; jobs that still run lose their lease. Takes at most about closeTimeoutMs for them. Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#runClose();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #acquire(key: string, options: AcquireOptions, waitMsDefault: number) {
    const { sessionTtlMs } = this.#options;
    checkAcquire(key, options, sessionTtlMs);
    const { trace = "", lockTtlMs = this.#options.lockTtlMs, waitMs = waitMsDefault, signal } = options;
    signal?.throwIfAborted();
    this.#acquiring += 1;
    try {
      const engine = await this.#start();
      const signals = signal ? [this.#stop.signal, signal] : [this.#stop.signal];
      const acquired = await engine.acquisition.run({ key, lockTtlMs, trace, waitMs, signals });
      if ("holder" in acquired) return acquired;
      return { engine, lease: await this.#keep(engine, engine.holdings.add(acquired.grant), signal) };
    } finally {
      this.#acquiring -= 1;
      if (this.#acquiring === 0) for (const resolve of this.#waitForAcquires.splice(0)) resolve();
    }
  }

  /** A grant that arrives in the instant of an abort reaches nobody. */
  async #keep(engine: Engine, lease: HeldLease, signal: AbortSignal | undefined): Promise<HeldLease> {
    const reason = this.#drain.reason ?? (signal?.aborted ? (signal.reason as Error) : undefined);
    if (!reason) return lease;
    await engine.holdings.release(lease);
    throw reason;
  }

  #start(): Promise<Engine> {
    if (this.#drain.reason) return Promise.reject(this.#drain.reason);
    this.#engine ??= this.#open().catch((error: unknown) => {
      this.#engine = undefined; // a module that failed to load may load the next time
      throw error;
    });
    return this.#engine;
  }

  async #open(): Promise<Engine> {
    const database = this.#database ?? (await openDatabase(this.#description));
    if (!this.#database) checkRecovery(database, this.#options);
    if (this.#drain.reason) throw this.#drain.reason;
    this.#processSignals.listen();
    this.#running = new Engine(database, this.#description, this.#options, this.#drain, this.#surroundings);
    return this.#running;
  }

  async #runDrain(reason: string): Promise<DrainResult> {
    const engine = await this.#stopAcquiring(new DrainingSignal(reason));
    if (!engine) return { settled: true, left: [] };
    const { holdings } = engine;
    const { drainTimeoutMs, drainAbortMs, closeTimeoutMs } = this.#options;
    const tell = (state: "started" | "aborting" | "settled" | "left") =>
      publish("drain", () => ({ reason, state, jobs: holdings.size }));
    tell("started");
    if (!(await holdings.settled(drainTimeoutMs))) {
      tell("aborting");
      holdings.endAll(this.#drain.reason!);
      await holdings.settled(drainAbortMs);
    }
    const left = holdings.all.map(({ key }) => key);
    tell(left.length === 0 ? "settled" : "left");
    if (left.length === 0 && !this.#closing) await engine.stop(true, closeTimeoutMs);
    return { settled: left.length === 0, left };
  }

  async #runClose(): Promise<void> {
    this.#running?.holdings.endAll("closed"); // first, so that a heartbeat says what has become of its lease
    const engine = await this.#stopAcquiring(new LockerClosedError());
    this.#processSignals.ignore();
    if (!engine) return;
    const { closeTimeoutMs } = this.#options;
    engine.holdings.endAll("closed");
    const settled = await engine.holdings.settled(closeTimeoutMs);
    await engine.stop(settled, closeTimeoutMs);
  }

  /** From here on no grant reaches a caller; resolves when every acquire under way has ended. */
  async #stopAcquiring(reason: Error): Promise<Engine | undefined> {
    this.#drain.reason ??= reason;
    this.#stop.abort(reason);
    const engine = await this.#engine?.catch(() => undefined);
    while (this.#acquiring > 0) await new Promise<void>((resolve) => this.#waitForAcquires.push(resolve));
    return engine;
  }
}

type ModuleDatabase = { moduleName: string; exportName: string };
