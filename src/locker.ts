import { checkAcquire, checkAcquireAll, checkKey } from "./acquire-options.js";
import type { AcquireAllOptions, AcquireOptions } from "./acquire-options.js";
import { openDatabase } from "./databases/described.js";
import { openUrl, unlockedDatabase } from "./databases/open.js";
import type { Database, DatabaseDescription, Holder } from "./databases/database.js";
import { Ending, type DrainResult } from "./ending.js";
import { Engines } from "./engines.js";
import { blameVariable, withEnvironment, type Environment } from "./environment.js";
import { LockTimeoutError } from "./errors.js";
import { HeldContext } from "./held-context.js";
import type { LeaseGroup } from "./lease-group.js";
import type { Heartbeat, Lease } from "./lease.js";
import { planKeys, type KeyWanted } from "./many-keys.js";
import { checkRecovery, resolveOptions, type LockerOptions, type ResolvedOptions } from "./options.js";
import { LockStatus, type AcquireAllResult, type AcquireResult, type RunResult } from "./outcome.js";
import { ProcessSignals } from "./process-signals.js";
import { withPatience } from "./signals.js";
import { checkRevoke, Revocation, type RevokeOptions, type RevokeResult } from "./revocation.js";
import { Taking, type Taken } from "./taking.js";
import { surroundings as ownSurroundings, type Surroundings } from "./surroundings.js";

export type Job<T> = (heartbeat: Heartbeat, lease: Lease) => Promise<T> | T;
/** Locks by key for this process. One is enough for an application; start reading here. */
export class Locker implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #database: Database | undefined;
  readonly #description: DatabaseDescription;
  readonly #surroundings: Surroundings;
  readonly #ending: Ending;
  readonly #context = new HeldContext();
  readonly #processSignals: ProcessSignals;
  #engines: Promise<Engines> | undefined;
  #running: Engines | undefined;
  #taking: Taking | undefined;

  /**
   * Opens nothing: that is done by the first acquire. Throws OptionError. `surroundings`: time, chance and threads of a
   * simulated machine; an application leaves it out.
   */
  constructor(options: LockerOptions = {}, surroundings: Surroundings = ownSurroundings) {
    this.#surroundings = surroundings;
    this.#options = resolveOptions(options);
    const { database, enabled } = this.#options;
    if (!enabled) this.#database = unlockedDatabase();
    else if (typeof database === "string") this.#database = openUrl(database);
    else if ("openLeases" in database) this.#database = database;
    this.#description = this.#database?.describe() ?? { type: "module", ...(database as ModuleDatabase) };
    if (this.#database && enabled) checkRecovery(this.#database, this.#options);
    this.#processSignals = new ProcessSignals(this.#options.drainOn, (signal) =>
      this.drain(signal).then(() => this.close()),
    );
    this.#ending = new Ending({
      options: this.#options,
      engines: () => this.#engines,
      running: () => this.#running,
      onClose: () => this.#processSignals.ignore(),
    });
  }

  /**
   * A locker with the options that the environment gives: PULSELOCK_LOCK_TTL_MS and so on (README), and the database of
   * `new Locker()`. `options` go before them. Throws an OptionError that names the variable, also for a misspelt one.
   */
  static fromEnv(options: Partial<LockerOptions> = {}, env: Environment = process.env): Locker {
    return blameVariable(env, options, () => new Locker(withEnvironment(options, env)));
  }

  /**
   * Runs `fn` if the key is free, or gets free within waitMs, and gives it back afterwards. What `fn` throws is thrown.
   * Being busy is an answer, not an error. Rejects with StoreError when the store does not answer in acquireTimeoutMs;
   * with DrainingSignal or LockerClosedError when this locker acquires no more; with the signal's reason when that
   * aborts the wait; with OptionError, LockModeError, ReentryError, and, as mutex does, DeadlockError.
   */
  acquireAndRun<T>(key: string, fn: Job<T>, options: AcquireOptions = {}): Promise<RunResult<T>> {
    return this.#run(() => this.#takeOne(key, options, 0), fn, asResult<T>);
  }

  /** Like acquireAndRun, but the caller releases the lease. */
  async acquire(key: string, options: AcquireOptions = {}): Promise<AcquireResult> {
    const taken = await this.#takeOne(key, options, 0);
    if ("holder" in taken) return { status: LockStatus.SOMEONE_ELSE_HOLDS_LOCK, holder: taken.holder };
    return { status: LockStatus.SUCCESS, lease: taken.lease };
  }

  /**
   * Waits for the key (for ever, unless waitMs says otherwise), runs `fn`, returns what it returns. Rejects as
   * acquireAndRun does, with LockTimeoutError after waitMs, and with DeadlockError when it would wait for ever, because
   * the holder waits for what this task holds.
   */
  mutex<T>(key: string, fn: Job<T>, options: AcquireOptions = {}): Promise<T> {
    const take = () => this.#takeOne(key, options, Infinity);
    return this.#run(take, fn, (outcome: Outcome<T>) => {
      if ("holder" in outcome) throw new LockTimeoutError(key, outcome.holder, options.waitMs ?? Infinity);
      return outcome.result;
    });
  }

  /**
   * All of these keys or none, in one step when they are free. With waitMs it waits for them one after the other, in
   * sorted order; without, being busy is an answer: who holds one of them. A key that is listed twice is held once.
   * Rejects as acquireAndRun does, and with OptionError for no key at all and for one key in two modes.
   */
  async acquireAll(keys: readonly KeyWanted[], options: AcquireAllOptions = {}): Promise<AcquireAllResult> {
    const taken = await this.#takeAll(keys, options);
    if ("holder" in taken) return { status: LockStatus.SOMEONE_ELSE_HOLDS_LOCK, holder: taken.holder };
    return { status: LockStatus.SUCCESS, group: taken.lease };
  }

  /** Runs `fn` when acquireAll gets the keys, and gives them back afterwards. */
  acquireAllAndRun<T>(
    keys: readonly KeyWanted[],
    fn: (heartbeat: Heartbeat, group: LeaseGroup) => Promise<T> | T,
    options: AcquireAllOptions = {},
  ): Promise<RunResult<T>> {
    return this.#run(() => this.#takeAll(keys, options), fn, asResult<T>);
  }

  /**
   * Who holds the key; undefined when nobody does whose process is not known to be dead. Throws StoreError, or what an
   * acquire throws when this locker acquires no more.
   */
  async readHolder(key: string): Promise<Holder | undefined> {
    checkKey(key);
    const engine = (await this.#start()).of(key);
    return this.#patiently((signal) => engine.readHolder(key, signal));
  }

  /**
   * Does at start-up what the first acquire would do: loads the client, connects, starts the thread, begins the session
   * (of a cluster: one in each shard), and waits out the recovery window of a namespace that is new. Rejects as acquire
   * does; the locker goes on trying, and the next acquire may succeed.
   */
  async warmUp(): Promise<void> {
    const engines = await this.#start();
    await this.#patiently((signal) => engines.warmUp(signal, this.#options.acquireTimeoutMs));
  }

  /**
   * Asks all who hold the key now to give it back: their signals abort with the LockError "revoked", their heartbeats
   * throw it. Resolves when all have, or after graceMs; with `force` they lose it then, and it resolves once they
   * have. Leases that are granted after the call are none of its business. Rejects with StoreError when the store gives
   * no answer within acquireTimeoutMs, with the signal's reason when that aborts.
   */
  async revoke(key: string, options: RevokeOptions = {}): Promise<RevokeResult> {
    checkKey(key);
    checkRevoke(options);
    const engine = (await this.#start()).of(key);
    const { clock } = this.#surroundings;
    const deps = { engine, clock, ended: this.#ending.signal, ...this.#options };
    return new Revocation(key, options.signal, deps).run(options);
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

  #takeOne(key: string, options: AcquireOptions, waitMsDefault: number): Promise<Taken<Lease>> {
    checkAcquire(key, options, this.#options.sessionTtlMs);
    return this.#count(options, (taking) => taking.one(key, options, options.waitMs ?? waitMsDefault));
  }

  #takeAll(keys: readonly KeyWanted[], options: AcquireAllOptions): Promise<Taken<LeaseGroup>> {
    checkAcquireAll(options, this.#options.sessionTtlMs);
    const plan = planKeys(keys);
    return this.#count(options, (taking) => taking.all(plan, options, options.waitMs ?? 0));
  }

  #count<T>(options: AcquireAllOptions, take: (taking: Taking) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted();
    return this.#ending.count(() => {
      if (this.#taking && !this.#ending.reason) return take(this.#taking);
      // Made in this turn and not while the engine starts, or the second acquire of all would overtake the first.
      return this.#start().then((engines) => take((this.#taking ??= this.#takingOf(engines))));
    });
  }

  /** All of a run in one function: each hop more costs a hand-off among a thousand waiters a microsecond. */
  async #run<T, Handle extends { heartbeat: Heartbeat }, Answer>(
    take: () => Promise<Taken<Handle>>,
    fn: (heartbeat: Heartbeat, lease: Handle) => Promise<T> | T,
    answer: (outcome: Outcome<T>) => Answer,
  ): Promise<Answer> {
    const taken = await take();
    if ("holder" in taken) return answer(taken);
    const { lease, held, end } = taken;
    let result: T;
    try {
      result = await this.#context.run(held, () => fn(lease.heartbeat, lease));
    } catch (error) {
      await end(true);
      throw error;
    }
    const ended = end(false);
    const { heldToTheEnd } = "heldToTheEnd" in ended ? ended : await ended;
    return answer({ result, heldToTheEnd });
  }

  #patiently<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withPatience(this.#surroundings.clock, this.#options.acquireTimeoutMs, this.#ending.signal, ask);
  }

  #start(): Promise<Engines> {
    if (this.#ending.reason) return Promise.reject(this.#ending.reason);
    this.#engines ??= this.#open().catch((error: unknown) => {
      this.#engines = undefined; // a module that failed to load may load the next time
      throw error;
    });
    return this.#engines;
  }

  async #open(): Promise<Engines> {
    if (!this.#database?.isInProcess) await this.#surroundings.loadWorker?.();
    const database = this.#database ?? (await openDatabase(this.#description));
    if (!this.#database) checkRecovery(database, this.#options);
    if (this.#ending.reason) throw this.#ending.reason;
    this.#processSignals.listen();
    this.#running = new Engines(database, this.#description, this.#options, this.#ending.drain, this.#surroundings);
    return this.#running;
  }

  #takingOf(engines: Engines): Taking {
    const { clock } = this.#surroundings;
    return new Taking({ engines, clock, options: this.#options, ending: this.#ending, context: this.#context });
  }
}

type Outcome<T> = { result: T; heldToTheEnd: boolean } | { holder: Holder };

function asResult<T>(outcome: Outcome<T>): RunResult<T> {
  if ("holder" in outcome) return { status: LockStatus.SOMEONE_ELSE_HOLDS_LOCK, holder: outcome.holder };
  return { status: LockStatus.SUCCESS, ...outcome };
}

type ModuleDatabase = { moduleName: string; exportName: string };
