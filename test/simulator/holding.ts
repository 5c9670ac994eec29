// What a job does with a lease in its hands: works, blocks, and asks in every way whether it still holds the key.

import { LockError, LockUnsureError } from "../../src/index.js";
import type { Lease } from "../../src/index.js";
import type { HeldLease } from "../../src/held-lease.js";
import type { Oracle } from "./oracle.js";
import type { SimProcess } from "./process.js";
import { lockerOf } from "./records-seen.js";
import type { Wish } from "./wishes.js";

export type HoldRules = {
  /** Jobs block their event loop now and then, for at most that long, ms. */
  blockMsMax: number;
  /** They hold keys for a moment only, so that queues move on. */
  isBrisk: boolean;
};

type Progress = { acquired(key: string): void };

/** As the store names it. */
export function leaseIdOf(lease: Lease): string {
  const { sessionId, leaseNumber } = lease as HeldLease;
  return `${lockerOf(sessionId)}#${leaseNumber}`;
}

export class Holding {
  readonly #process: SimProcess;
  readonly #oracle: Oracle;
  readonly #rules: HoldRules;
  readonly #progress: Progress;
  readonly held = new Map<Lease, Wish>();
  isCalm = false;

  constructor(process: SimProcess, oracle: Oracle, rules: HoldRules, progress: Progress) {
    this.#process = process;
    this.#oracle = oracle;
    this.#rules = rules;
    this.#progress = progress;
  }

  /** `meanwhile`: what the job does beside, after its own work. A lease that is held already is not held anew. */
  async hold(lease: Lease, wish: Wish, meanwhile?: () => Promise<void>): Promise<void> {
    if (this.held.has(lease)) return meanwhile?.();
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
      const stepsMax = this.#rules.isBrisk || meanwhile ? 2 : world.chance(0.6) ? 40 : 5;
      for (let steps = world.between(0, stepsMax); steps > 0 && !this.isCalm; steps--) await this.#step(lease);
    } catch (error) {
      if (!(error instanceof LockError)) throw error;
      if (!told)
        this.#oracle.report("L3", `${name}: ${lease.key} is lost (${error.code}) and its signal has not aborted`);
    }
    this.#look(lease);
    try {
      await meanwhile?.();
    } finally {
      this.#look(lease);
      this.held.delete(lease);
    }
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
    const { mode } = this.held.get(lease)!;
    this.#oracle.yes(this.#process.name, lease.key, lease.fencingToken, mode, leaseIdOf(lease));
  }

  #lost(lease: Lease, reason: unknown): void {
    const { name } = this.#process;
    const { isBelieved: wasBelieved } = lease as HeldLease;
    if (reason instanceof LockError) {
      const { key, code } = reason;
      this.#oracle.lost(name, key, code, { wasBelieved, leaseId: leaseIdOf(lease) });
    } else this.#oracle.report("L3", `${name}: the signal of ${lease.key} aborted with ${String(reason)}`);
  }
}
