import type { AcquireAllOptions, AcquireOptions } from "./acquire-options.js";
import type { Acquired, Wanted } from "./attempt.js";
import type { Clock } from "./clock.js";
import type { Holder } from "./databases/database.js";
import type { Ending } from "./ending.js";
import type { Engines } from "./engines.js";
import type { Ended } from "./grant.js";
import type { HeldLease } from "./held-lease.js";
import { BorrowedLease, type HeldContext, type HeldKey } from "./held-context.js";
import { withAncestors } from "./hierarchy.js";
import { HeldGroup, ScopedLease, type LeaseGroup } from "./lease-group.js";
import type { Lease } from "./lease.js";
import { takeAll, type KeyAndMode, type planKeys } from "./many-keys.js";
import { DURATION_MS_MAX, type ResolvedOptions } from "./options.js";

/** What an acquire came to: what its caller gets, which keys its job then holds, and how that ends. */
export type Taken<Handle> =
  | {
      lease: Handle;
      held: readonly HeldKey[];
      /** `hasFailed`: the job threw, so that its key is not kept for minHoldMs. Never rejects. */
      end(hasFailed: boolean): Ended | Promise<Ended>;
    }
  | { holder: Holder };

type TakenOne = Exclude<Taken<HeldLease>, { holder: Holder }>;
type Granted = Exclude<Acquired, { holder: Holder }>;
type Asked = { key: string; mode: HeldKey["mode"]; units: number };
type TakingDeps = { engines: Engines; options: ResolvedOptions; ending: Ending; context: HeldContext; clock: Clock };

/** An acquire, from what was asked for to what is held: one key, one with all above it, or many. */
export class Taking {
  readonly #deps: TakingDeps;
  readonly #acquire: (wanted: Wanted) => Promise<Acquired>;

  constructor(deps: TakingDeps) {
    this.#deps = deps;
    this.#acquire = (wanted) => deps.engines.of(wanted.key).acquisition.run(wanted);
  }

  one(key: string, options: AcquireOptions, waitMs: number): Promise<Taken<Lease>> {
    const { mode = "exclusive", permits, reentrant = false } = options;
    const asked = { key, mode: permits ? "permits" : mode, units: permits?.take ?? 1, reentrant } as const;
    const held = this.#deps.context.reenter(asked);
    if (held) return Promise.resolve(borrow(held));
    if (options.hierarchical) return this.#scope(key, mode, options, waitMs);
    return this.#take(asked, options, waitMs);
  }

  async all(
    { asked, sorted }: ReturnType<typeof planKeys>,
    options: AcquireAllOptions,
    waitMs: number,
  ): Promise<Taken<LeaseGroup>> {
    for (const one of sorted) this.#deps.context.reenter({ ...one, units: 1, reentrant: false });
    const taken = await this.#takeAll(sorted, options, waitMs);
    if ("holder" in taken) return taken;
    const ofKey = new Map(taken.leases.map((lease) => [lease.key, lease]));
    const end = (hasFailed: boolean) => this.#end(taken.leases, hasFailed);
    const group = new HeldGroup(
      asked.map((key) => ofKey.get(key)!),
      () => end(false),
    );
    return { lease: group, held: taken.held, end };
  }

  /** What this task holds of the keys above is held already, in whatever mode. */
  async #scope(path: string, mode: KeyAndMode["mode"], options: AcquireOptions, waitMs: number): Promise<Taken<Lease>> {
    const { context } = this.#deps;
    const keys = withAncestors(path, mode);
    const borrowed = keys.flatMap(({ key }) => context.find(key)?.lease ?? []);
    const missing = keys.filter(({ key }) => !context.find(key));
    const taken = await this.#takeAll(missing, options, waitMs);
    if ("holder" in taken) return taken;
    const above = [...borrowed, ...taken.leases.slice(0, -1)];
    const end = (hasFailed: boolean) => this.#end(taken.leases, hasFailed);
    const lease = new ScopedLease(taken.leases.at(-1)!, above, () => end(false));
    return { lease, held: taken.held, end };
  }

  async #takeAll(keys: readonly KeyAndMode[], options: AcquireAllOptions, waitMs: number) {
    const { clock, engines } = this.#deps;
    const taken = await takeAll(keys, waitMs, {
      clock,
      take: async (one, leftMs, before: readonly TakenOne[]) => {
        const holding = before.flatMap(({ held }) => held);
        const got = await this.#take({ ...one, units: 1 }, options, leftMs, holding);
        return "holder" in got ? got : { lease: got };
      },
      giveBack: (all) =>
        Promise.all(all.toReversed().map(({ lease }) => engines.of(lease.key).holdings.release(lease, true))),
    });
    if ("holder" in taken) return taken;
    return { leases: taken.leases.map(({ lease }) => lease), held: taken.leases.flatMap(({ held }) => held) };
  }

  /** Of many that wait each has little more than two promises. `holding`: beside what the task holds. */
  #take(
    asked: Asked,
    options: AcquireOptions,
    waitMs: number,
    holding?: readonly HeldKey[],
  ): Promise<Taken<HeldLease>> {
    const { engines, context } = this.#deps;
    const wanted = this.#wanted(asked.key, options, asked.mode, waitMs);
    const all = holding ? [...context.held, ...holding] : context.held;
    return engines.blockedWaits
      .run(wanted, all, this.#acquire)
      .then((acquired) => ("holder" in acquired ? acquired : this.#keep(acquired, asked, options.signal)));
  }

  #wanted(key: string, options: AcquireOptions, mode: HeldKey["mode"], waitMs: number): Wanted {
    const { trace = "", lockTtlMs = this.#deps.options.lockTtlMs, signal, minHoldMs = 0, permits } = options;
    const { ending } = this.#deps;
    const signals = signal ? [ending.signal, signal] : ending.signals;
    const wanted = { key, lockTtlMs, trace, waitMs, signals, minHoldMs, mode };
    if (!this.#deps.options.enabled) return withoutLocking(wanted);
    if (!permits) return wanted;
    const { limit, take = 1, perProcess = limit } = permits;
    return { ...wanted, permits: { limit, take, perProcess } };
  }

  /** A grant that arrives in the instant of an abort reaches nobody. */
  #keep(
    acquired: Granted,
    { key, mode, units }: Asked,
    signal: AbortSignal | undefined,
  ): Taken<HeldLease> | Promise<never> {
    const { ending, engines } = this.#deps;
    const { holdings } = engines.of(key);
    const lease = acquired.lease ?? holdings.add(acquired.grant);
    const reason = ending.reason ?? (signal?.aborted ? (signal.reason as Error) : undefined);
    if (reason) return this.#refuse(lease, reason);
    const { leaseNumber } = lease;
    const isKnown = this.#deps.options.enabled; // what a task holds stands in its own way: else nothing does
    const held = !isKnown
      ? []
      : [{ key, mode, units, leaseNumber, lease, isOver: () => lease.released || lease.isLost }];
    return { lease, held, end: (hasFailed) => holdings.release(lease, hasFailed) };
  }

  async #refuse(lease: HeldLease, reason: Error): Promise<never> {
    await this.#deps.engines.of(lease.key).holdings.release(lease, true);
    throw reason;
  }

  /** What was acquired last goes first. */
  async #end(leases: readonly HeldLease[], hasFailed: boolean): Promise<Ended> {
    const { engines } = this.#deps;
    const release = (lease: HeldLease) => engines.of(lease.key).holdings.release(lease, hasFailed);
    const ends = await Promise.all(leases.toReversed().map(release));
    return { heldToTheEnd: ends.every(({ heldToTheEnd }) => heldToTheEnd) };
  }
}

/** Its end is the affair of who acquired it. */
function borrow({ lease }: HeldKey): Taken<Lease> {
  const end = () => ({ heldToTheEnd: lease.state === "held" });
  return { lease: new BorrowedLease(lease), held: [], end };
}

/** Every key is free for everybody: there is nothing to wait for, to share or to run out. */
function withoutLocking(wanted: Wanted): Wanted {
  return { ...wanted, waitMs: 0, minHoldMs: 0, lockTtlMs: DURATION_MS_MAX };
}
