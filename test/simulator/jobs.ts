// What the simulated processes do: jobs that take keys, hold them for a while, and ask in every way whether they still
// hold them.

import { LockError, LockUnsureError } from "../../src/index.js";
import type { AcquireOptions, AcquireResult, Lease } from "../../src/index.js";
import type { HeldLease } from "../../src/held-lease.js";
import type { Oracle } from "./oracle.js";
import type { SimProcess } from "./process.js";

export type JobRules = {
  keys: readonly string[];
  /** How many jobs a process runs at once. */
  jobs: number;
  /** Jobs block their event loop now and then, for at most that long, ms. */
  blockMsMax: number;
};

const GIVEN_UP = new Error("the caller has given up");

type Progress = { acquired(key: string): void };

export class Jobs {
  readonly #process: SimProcess;
  readonly #oracle: Oracle;
  readonly #rules: JobRules;
  readonly #progress: Progress;
  readonly held = new Set<Lease>();
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
      const key = world.pick(this.#rules.keys);
      const result = await this.#acquire(key).catch((error: Error) => error);
      if (result instanceof Error) {
        if (result.name !== "StoreError" && result !== GIVEN_UP) throw result;
      } else if (result.status === "SUCCESS") await this.#hold(result.lease);
    }
  }

  #acquire(key: string): Promise<AcquireResult> {
    const { world, main, locker, limits } = this.#process;
    const waitMs = world.pick([0, 150, 3_000, 3_000]);
    const options: AcquireOptions = { waitMs };
    if (world.chance(0.2)) options.lockTtlMs = limits.lockTtlMs * 2;
    if (world.chance(0.1)) {
      const stop = new AbortController();
      options.signal = stop.signal;
      void main.pause(world.between(1, 100)).then(() => stop.abort(GIVEN_UP));
    }
    return locker.acquire(key, options);
  }

  async #hold(lease: Lease): Promise<void> {
    const { world, name } = this.#process;
    this.#progress.acquired(lease.key);
    this.held.add(lease);
    let told = false;
    lease.signal.addEventListener("abort", () => {
      told = true;
      this.#lost(lease, lease.signal.reason);
    });
    try {
      const stepsMax = world.chance(0.6) ? 40 : 5;
      for (let steps = world.between(0, stepsMax); steps > 0 && !this.#isCalm; steps--) await this.#step(lease);
    } catch (error) {
      if (!(error instanceof LockError)) throw error;
      if (!told)
        this.#oracle.report("L3", `${name}: ${lease.key} is lost (${error.code}) and its signal has not aborted`);
    }
    this.#look(lease);
    this.held.delete(lease);
    await lease.release();
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
    this.#oracle.yes(this.#process.name, lease.key, lease.fencingToken);
  }

  #lost(lease: Lease, reason: unknown): void {
    const { name } = this.#process;
    const wasBelieved = (lease as HeldLease).isBelieved;
    if (reason instanceof LockError) this.#oracle.lost(name, lease.key, reason.code, wasBelieved);
    else this.#oracle.report("L3", `${name}: the signal of ${lease.key} aborted with ${String(reason)}`);
  }
}
