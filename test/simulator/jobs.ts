// What the simulated processes do: jobs that take keys in every way, one inside another, and ask for keys back.

import { DeadlockError, ReentryError } from "../../src/index.js";
import type { AcquireOptions, Lease } from "../../src/index.js";
import { ScopedLease } from "../../src/lease-group.js";
import type { Holding } from "./holding.js";
import type { Oracle } from "./oracle.js";
import type { SimProcess } from "./process.js";
import { EXCLUSIVE, isPath, isPool, SHARED, wholePool, type Rates, type Wish } from "./wishes.js";
import type { Task } from "./wait-graph.js";

export type JobRules = {
  keys: readonly string[];
  /** How many jobs a process runs at once. */
  jobs: number;
} & Omit<Rates, "hasPath">;

/** How an acquire may end when the store is not well or the key is taken. */
const EXPECTED = new Set(["StoreError", "LockTimeoutError"]);
const GIVEN_UP = new Error("the caller has given up");

export class Jobs {
  readonly #process: SimProcess;
  readonly #oracle: Oracle;
  readonly #rules: JobRules;
  readonly #holding: Holding;
  #stopping = false;
  #isRevoking = false;
  running = 0;

  constructor(process: SimProcess, oracle: Oracle, rules: JobRules, holding: Holding) {
    this.#process = process;
    this.#oracle = oracle;
    this.#rules = rules;
    this.#holding = holding;
  }

  get held(): ReadonlyMap<Lease, Wish> {
    return this.#holding.held;
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
    this.#holding.isCalm = true;
  }

  stop(): void {
    this.#stopping = this.#holding.isCalm = true;
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
    const { keys, nested, revokers } = this.#rules;
    const key = world.pick(keys);
    if (revokers > 0 && world.chance(revokers)) return this.#revoke(key);
    const task = { who: this.#process.name, isDead: () => this.#process.isDead };
    if (isPool(key)) return this.#takeOne(task, key, wholePool(world.pick([1, 1, 2])));
    const several = keys.filter((one) => !isPool(one));
    if (nested > 0 && world.chance(nested)) return this.#takeNested(task, key, world.pick(several));
    if (several.length > 1 && world.chance(0.15)) return this.#takeAll(task, several);
    return this.#takeOne(task, key, this.#wish());
  }

  #wish(): Wish {
    return this.#process.world.chance(this.#rules.readers) ? SHARED : EXCLUSIVE;
  }

  async #takeOne(task: Task, key: string, wish: Wish): Promise<void> {
    const { world, locker } = this.#process;
    const options = { ...this.#options(), ...wish.options };
    const way = world.random();
    if (isPath(key) && world.chance(0.7)) {
      const above = key.slice(0, key.lastIndexOf("/"));
      const run = (_heartbeat: unknown, lease: Lease) => this.#holdPath(lease, wish);
      const take = () => locker.acquireAndRun(key, run, { ...options, hierarchical: true });
      return this.#waitFor(task, [above, key], take);
    }
    if (way < 0.6) {
      const result = await locker.acquire(key, options);
      if (result.status !== "SUCCESS") return;
      await this.#holding.hold(result.lease, wish);
      return result.lease.release();
    }
    if (wish.mode === "exclusive" && world.chance(0.1)) options.minHoldMs = Math.round(world.between(1, 300));
    const run = (_heartbeat: unknown, lease: Lease) => this.#holding.hold(lease, wish);
    if (way < 0.8) await locker.acquireAndRun(key, run, options);
    else await locker.mutex(key, run, options);
  }

  /** The key, and those above it. A yes of the whole is one of each. */
  async #holdPath(lease: Lease, wish: Wish): Promise<void> {
    if (!(lease instanceof ScopedLease)) throw new Error(`a path is held as a ${lease.constructor.name}`);
    const [leaf, ...above] = lease.leases;
    const some = lease.leases.find(({ state }) => state !== "held");
    if (lease.state === "held" && some) throw new Error(`${lease.key} is held, and ${some.key} above it is not`);
    let hold = () => this.#holding.hold(leaf!, wish);
    for (const one of above) {
      const inside = hold;
      hold = () => this.#holding.hold(one, SHARED, inside);
    }
    await hold();
  }

  /** Takes one key, and while it holds it another: what can end in a circle of waits. */
  #takeNested(task: Task, outer: string, inner: string): Promise<void> {
    const { locker } = this.#process;
    const { waits } = this.#oracle;
    const wish = this.#wish();
    const run = async (_heartbeat: unknown, lease: Lease) => {
      const hold = waits.holds(task, lease);
      const meanwhile = () => (inner === outer ? this.#reenter(lease, wish) : this.#takeInner(task, inner));
      await this.#holding.hold(lease, wish, meanwhile).finally(() => waits.end(hold));
    };
    return locker.mutex(outer, run, { ...this.#options(), ...wish.options });
  }

  async #takeInner(task: Task, key: string): Promise<void> {
    const { world, locker } = this.#process;
    const wish = this.#wish();
    const hierarchical = isPath(key) && world.chance(0.5);
    const keys = hierarchical ? [key.slice(0, key.lastIndexOf("/")), key] : [key];
    const options = { waitMs: world.pick([0, 300, Infinity, Infinity, Infinity]), hierarchical, ...wish.options };
    await this.#waitFor(task, keys, (begun) => {
      const run = (_heartbeat: unknown, lease: Lease) => {
        begun();
        return hierarchical ? this.#holdPath(lease, wish) : this.#holding.hold(lease, wish);
      };
      return locker.acquireAndRun(key, run, options);
    });
  }

  /** `take` says when the wait is over, unless that is never known. */
  async #waitFor(task: Task, wanted: readonly string[], take: (begun: () => void) => Promise<unknown>): Promise<void> {
    const { waits } = this.#oracle;
    const wait = waits.waits(task, wanted);
    try {
      await take(() => waits.end(wait));
    } catch (error) {
      if (!(error instanceof DeadlockError)) throw error;
      this.#oracle.counts.deadlocks += 1;
      const keys = error.cycle.map((one) => one.key);
      waits.onDeadlock(wait, keys);
    } finally {
      waits.end(wait);
    }
  }

  /** A task that asks for what it holds is told so, or is given the very same lease. */
  async #reenter(outer: Lease, wish: Wish): Promise<void> {
    const { world, locker } = this.#process;
    if (outer.state === "lost") return; // then it holds it no more
    const reentrant = world.chance(0.5);
    try {
      const result = await locker.acquire(outer.key, { ...wish.options, reentrant });
      if (!reentrant) throw new Error(`${outer.key} was to be had twice: ${result.status}`);
      if (result.status !== "SUCCESS" || result.lease.fencingToken !== outer.fencingToken)
        throw new Error(`${outer.key} was not had again by who holds it: ${result.status}`);
      await result.lease.release();
    } catch (error) {
      if (reentrant || !(error instanceof ReentryError)) throw error;
    }
  }

  async #revoke(key: string): Promise<void> {
    const { world, locker, pid } = this.#process;
    if (this.#isRevoking) return;
    this.#isRevoking = true;
    const calledAtMs = world.nowMs;
    const options = { graceMs: Math.round(world.pick([0, 100, 1_000])), force: world.chance(0.5) };
    try {
      const { status } = await locker.revoke(key, options);
      this.#oracle.onRevoked(pid, key, status, calledAtMs);
    } finally {
      this.#isRevoking = false;
    }
  }

  #takeAll(task: Task, keys: readonly string[]): Promise<void> {
    const wish = this.#wish();
    const wanted = keys.map((key) => ({ key, mode: wish.mode as "exclusive" | "shared" }));
    return this.#waitFor(task, keys, async () => {
      const result = await this.#process.locker.acquireAll(wanted, this.#options());
      if (result.status !== "SUCCESS") return;
      await Promise.all(result.group.leases.map((lease) => this.#holding.hold(lease, wish)));
      await result.group.release();
    });
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
}
