// What the simulated processes do: jobs that take keys, hold them for a while, and ask in every way whether they still
// hold them.

import { LockError, LockUnsureError } from "../../src/index.js";
import type { AcquireOptions, Lease } from "../../src/index.js";
import type { HeldLease } from "../../src/held-lease.js";
import type { Oracle } from "./oracle.js";
import type { SimProcess } from "./process.js";
import { EXCLUSIVE, isPool, SHARED, wholePool, type Wish } from "./wishes.js";

export type JobRules = {
  keys: readonly string[];
  /** How many jobs a process runs at once. */
  jobs: number;
  /** Jobs block their event loop now and then, for at most that long, ms. */
  blockMsMax: number;
  /** They hold keys for a moment only, so that queues move on. */
  isBrisk: boolean;
  /** How likely one only wants to read. */
  readers: number;
};

/** How an acquire may end when the store is not well or the key is taken. */
const EXPECTED = new Set(["StoreError", "LockTimeoutError"]);
const GIVEN_UP = new Error("the caller has given up");

type Progress = { acquired(key: string): void };

export class Jobs {
  readonly #process: SimProcess;
  readonly #oracle: Oracle;
  readonly #rules: JobRules;
  readonly #progress: Progress;
  readonly held = new Map<Lease, Wish>();
  #stopping = false;
  #isCalm = false;
  running = 0;

  constructor(process: SimProcess, oracle: Oracle, rules: JobRules, progress: Progress) {
    this.#process = process;
    this.#oracle = oracle;
    this.#rules = rules;
    this.#progress = progress;
  }

  start(): void {
    for (let i = 0; i < this.#rules.jobs; i++) {
      this.running += 1;
      void this.#loop()
        .catch((error: unknown) =>
          this.#oracle.report("S6", `${this.#process.name}: a job ended with ${String(error)}`),
        )
        .finally(() => (this.running -= 1));
    }
  }

  /** No long jobs any more: others are to have their turn. */
  calm(): void {
    this.#isCalm = true;
  }

  stop(): void {
    this.#stopping = this.#isCalm = true;
  }

  async #loop(): Promise<void> {
    const { world, main } = this.#process;
    while (!this.#stopping) {
      await main.pause(world.between(1, 150));
      await this.#takeSome().catch((error: Error) => {
        if (!EXPECTED.has(error.name) && error !== GIVEN_UP) throw error;
      });
    }
  }

  async #takeSome(): Promise<void> {
    const { world } = this.#process;
    const { keys, readers } = this.#rules;
    const key = world.pick(keys);
    if (isPool(key)) return this.#takeOne(key, wholePool(world.pick([1, 1, 2])));
    const several = keys.filter((one) => !isPool(one));
    if (several.length > 1 && world.chance(0.15)) return this.#takeAll(several);
    return this.#takeOne(key, world.chance(readers) ? SHARED : EXCLUSIVE);
  }

  async #takeOne(key: string, wish: Wish): Promise<void> {
    const { world, locker } = this.#process;
    const options = { ...this.#options(), ...wish.options };
    const way = world.random();
    if (way < 0.6) {
      const result = await locker.acquire(key, options);
      if (result.status !== "SUCCESS") return;
      await this.#hold(result.lease, wish);
      return result.lease.release();
    }
    if (wish.mode === "exclusive" && world.chance(0.1)) options.minHoldMs = Math.round(world.between(1, 300));
    const run = (_heartbeat: unknown, lease: Lease) => this.#hold(lease, wish);
    if (way < 0.8) await locker.acquireAndRun(key, run, options);
    else await locker.mutex(key, run, options);
  }

  async #takeAll(keys: readonly string[]): Promise<void> {
    const { world, locker } = this.#process;
    const wish = world.chance(this.#rules.readers) ? SHARED : EXCLUSIVE;
    const wanted = keys.map((key) => ({ key, mode: wish.mode as "exclusive" | "shared" }));
    const result = await locker.acquireAll(wanted, this.#options());
    if (result.status !== "SUCCESS") return;
    await Promise.all(result.group.leases.map((lease) => this.#hold(lease, wish)));
    await result.group.release();
  }

  /** How long it waits, and whether it loses patience in the middle of it. */
  #options(): AcquireOptions {
    const { world, main, limits } = this.#process;
    const waitMs = world.pick([0, 150, 3_000, 3_000, Infinity]);
    const options: AcquireOptions = { waitMs };
    if (world.chance(0.2)) options.lockTtlMs = limits.lockTtlMs * 2;
    if (world.chance(0.1)) {
      const stop = new AbortController();
      options.signal = stop.signal;
      void main.pause(world.between(1, world.pick([100, 100, 1_500]))).then(() => stop.abort(GIVEN_UP));
    }
    return options;
  }

  async #hold(lease: Lease, wish: Wish): Promise<void> {
    const { world, name } = this.#process;
    this.#progress.acquired(lease.key);
    this.#oracle.handed(name, lease.key, lease.fencingToken, wish.mode);
    this.held.set(lease, wish);
    let told = false;
    const onAbort = () => {
      told = true;
      this.#lost(lease, lease.signal.reason);
    };
    if (lease.signal.aborted)
      onAbort(); // a grant that its process heard of too late
    else lease.signal.addEventListener("abort", onAbort);
    try {
      const stepsMax = this.#rules.isBrisk ? 2 : world.chance(0.6) ? 40 : 5;
      for (let steps = world.between(0, stepsMax); steps > 0 && !this.#isCalm; steps--) await this.#step(lease);
    } catch (error) {
      if (!(error instanceof LockError)) throw error;
      if (!told)
        this.#oracle.report("L3", `${name}: ${lease.key} is lost (${error.code}) and its signal has not aborted`);
    }
    this.#look(lease);
    this.held.delete(lease);
  }

  async #step(lease: Lease): Promise<void> {
    const { world, main } = this.#process;
    const ms = world.chance(0.2) ? world.between(0, 1_500) : world.between(0, 60);
    if (world.chance(0.1)) await main.block(world.between(0, this.#rules.blockMsMax));
    else await main.pause(ms);
    this.#look(lease);
    const how = world.random();
    if (how < 0.5) await this.#beat(lease);
    else if (how < 0.6)
      await lease.heartbeat.delay(ms); // waits: in the simulator's time
    else if (how < 0.7) await lease.heartbeat.during(main.pause(ms));
  }

  async #beat(lease: Lease): Promise<void> {
    this.#oracle.counts.checks += 1;
    await lease.heartbeat();
    this.#yes(lease);
  }

  /** The synchronous ways to ask. */
  #look(lease: Lease): void {
    this.#oracle.counts.checks += 1;
    if (lease.state === "held") this.#yes(lease);
    try {
      lease.assertHeld();
      this.#yes(lease);
    } catch (error) {
      if (!(error instanceof LockError) && !(error instanceof LockUnsureError)) throw error;
    }
  }

  #yes(lease: Lease): void {
    this.#oracle.yes(this.#process.name, lease.key, lease.fencingToken, this.held.get(lease)!.mode);
  }

  #lost(lease: Lease, reason: unknown): void {
    const { name } = this.#process;
    const wasBelieved = (lease as HeldLease).isBelieved;
    if (reason instanceof LockError) this.#oracle.lost(name, lease.key, reason.code, wasBelieved);
    else this.#oracle.report("L3", `${name}: the signal of ${lease.key} aborted with ${String(reason)}`);
  }
}
