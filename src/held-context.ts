import { AsyncLocalStorage } from "node:async_hooks";
import { LockModeError, ReentryError } from "./errors.js";
import type { Lease } from "./lease.js";

/** A key as a task holds it. */
export type HeldKey = {
  key: string;
  mode: "exclusive" | "shared" | "permits";
  /** How many permits; 1 in any other mode. */
  units: number;
  leaseNumber: number;
  lease: Lease;
  /** Whether it was given back, or lost. */
  isOver(): boolean;
};

export type KeyAsked = { key: string; mode: HeldKey["mode"]; units: number; reentrant: boolean };

const NONE: readonly HeldKey[] = [];
type Scope = { of: HeldContext; held: readonly HeldKey[]; outer: Scope | undefined };

/**
 * One for all lockers of the process: Node keeps each one that was ever entered, and every promise pays for each of
 * them, so one a locker would be a leak.
 */
const storage = new AsyncLocalStorage<Scope>();

/**
 * Which keys of one locker the running task holds. Entered where a job is run under its leases, and nowhere else: the
 * first entry makes every promise of the process a little slower, and a handle has no scope.
 */
export class HeldContext {
  run<T>(held: readonly HeldKey[], job: () => T): T {
    if (held.length === 0) return job();
    return storage.run({ of: this, held, outer: storage.getStore() }, job);
  }

  /** Innermost first. Without those that are over: a job may have started what outlives it. */
  get held(): readonly HeldKey[] {
    const running = storage.getStore();
    if (!running) return NONE;
    const held: HeldKey[] = [];
    for (let scope: Scope | undefined = running; scope; scope = scope.outer) {
      if (scope.of === this) held.push(...scope.held);
    }
    return held.filter((one) => !one.isOver());
  }

  find(key: string): HeldKey | undefined {
    return this.held.find((one) => one.key === key);
  }

  /**
   * What this task already holds of what it asks for: to be handed out again. Undefined when it does not hold the key.
   * Throws ReentryError, or LockModeError when it would take more than it holds.
   */
  reenter({ key, mode, units, reentrant }: KeyAsked): HeldKey | undefined {
    const held = this.find(key);
    if (!held) return undefined;
    if ((mode === "permits") !== (held.mode === "permits")) return undefined; // the store says why not
    const rule = "is not to be had on top of what this task holds: release it and acquire ";
    if (mode === "exclusive" && held.mode === "shared")
      throw new LockModeError(key, "mode", mode, `${rule}exclusively`);
    if (!reentrant) throw new ReentryError(key);
    if (units > held.units) throw new LockModeError(key, "permits.take", units, `${rule}as many at once`);
    return held;
  }
}

/** Somebody else's lease: it can be used, and its end is not decided here. */
export class BorrowedLease implements Lease {
  readonly #lease: Lease;
  constructor(lease: Lease) {
    this.#lease = lease;
  }
  get key(): string {
    return this.#lease.key;
  }
  get fencingToken(): number {
    return this.#lease.fencingToken;
  }
  get heartbeat(): Lease["heartbeat"] {
    return this.#lease.heartbeat;
  }
  get state(): Lease["state"] {
    return this.#lease.state;
  }
  get signal(): AbortSignal {
    return this.#lease.signal;
  }
  assertHeld(): void {
    this.#lease.assertHeld();
  }
  release(): Promise<void> {
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
