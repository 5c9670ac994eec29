import { BlockedWaits } from "./blocked-waits.js";
import type { Database, DatabaseDescription, LeaseStore } from "./databases/database.js";
import { Engine } from "./engine.js";
import { LockerClosedError } from "./errors.js";
import type { Drain } from "./grant.js";
import type { HeldLease } from "./held-lease.js";
import type { ResolvedOptions } from "./options.js";
import type { Surroundings } from "./surroundings.js";

/** So that nobody ever makes the same one (126 bits). */
const LOCKER_ID_LENGTH = 21;

/**
 * The engines of a locker that is in use: one, or, where the database spreads its keys, one for each shard of which a
 * key was ever asked for. They have nothing in common but the locker's id, the numbers of its leases and its thread.
 */
export class Engines {
  readonly blockedWaits: BlockedWaits;
  readonly #database: Database;
  readonly #parts: readonly Database[];
  readonly #make: (part: Database, shard: number) => Engine;
  readonly #engines = new Map<number, Engine>();
  readonly #only: Engine | undefined;
  #isStopped = false;

  constructor(
    database: Database,
    description: DatabaseDescription,
    options: ResolvedOptions,
    drain: Drain,
    surroundings: Surroundings,
  ) {
    const { clock } = surroundings;
    const lockerId = clock.freshId(LOCKER_ID_LENGTH);
    let lastNumber = 0;
    const crew = {
      lockerId,
      nextNumber: () => ++lastNumber,
      onDeadlock: (leaseNumber: number) => this.blockedWaits.onDeadlock(leaseNumber),
      onNewEra: () => this.blockedWaits.onNewEra(),
    };
    this.#database = database;
    this.#parts = database.shards ?? [database];
    const startWorker = (this.#isSpread && surroundings.shareWorker?.()) || surroundings.startWorker;
    const around = { ...surroundings, startWorker };
    this.#make = (part, shard) => new Engine(part, description, options, drain, around, { ...crew, shard });
    this.blockedWaits = new BlockedWaits({
      ...{ clock, lockerId },
      store: this.#isSpread ? this.#spreadStore() : this.#at(0).store,
      own: () => this.leases,
      era: (key) => this.of(key).session.state?.era,
      describe: (record) => this.of(record.key).judge.describe(record),
    });
    this.#only = this.#isSpread ? undefined : this.#at(0);
  }

  /** Where that key is dealt with. Begins a session there if it is the first of its shard. */
  of(key: string): Engine {
    return this.#only ?? this.#at(this.#shardOf(key));
  }

  get leases(): HeldLease[] {
    return this.#all.flatMap(({ holdings }) => holdings.all);
  }

  /** Resolves when whatever key could be asked for at once. */
  async warmUp(signal: AbortSignal, withinMs: number): Promise<void> {
    await Promise.all(this.#parts.map((_part, shard) => this.#at(shard).warmUp(signal, withinMs)));
  }

  /** Ends the leases of all. */
  endAll(reason: Parameters<Engine["holdings"]["endAll"]>[0]): void {
    for (const { holdings } of this.#all) holdings.endAll(reason);
  }

  /** Whether every job has ended, within that time. */
  async settled(timeoutMs: number): Promise<boolean> {
    const settled = await Promise.all(this.#all.map(({ holdings }) => holdings.settled(timeoutMs)));
    return settled.every(Boolean);
  }

  async stop(goodbye: boolean, timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    const unmarked = this.blockedWaits.settled();
    await Promise.all(this.#all.map((engine) => engine.stop(goodbye, timeoutMs, unmarked)));
    this.blockedWaits.stop();
  }

  get #isSpread(): boolean {
    return this.#parts.length > 1;
  }

  get #all(): readonly Engine[] {
    return [...this.#engines.values()];
  }

  #shardOf(key: string): number {
    return this.#database.shardOf?.(key) ?? 0;
  }

  #at(shard: number): Engine {
    const known = this.#engines.get(shard);
    if (known) return known;
    if (this.#isStopped) throw new LockerClosedError();
    const engine = this.#make(this.#parts[shard]!, shard);
    this.#engines.set(shard, engine);
    return engine;
  }

  /**
   * What is said of a lease lies where everybody finds it who knows the lease's id alone: in the shard of its locker.
   * The rest lies in that of the key.
   */
  #spreadStore(): Pick<LeaseStore, "markBlocked" | "readWaiting" | "readHolders" | "tellDeadlock"> {
    const ofLease = (leaseId: string) => this.of(leaseId.slice(0, leaseId.lastIndexOf("#"))).store;
    return {
      markBlocked: async (request) => {
        const [leaseId] = request.leaseIds;
        if (leaseId !== undefined) await ofLease(leaseId).markBlocked(request);
      },
      readWaiting: async (leaseId) => {
        const note = await ofLease(leaseId).readBlocked!(leaseId);
        return note && this.of(note.key).store.readQueued!(note);
      },
      readHolders: async (key) => this.of(key).store.readHolders(key),
      tellDeadlock: async (waiter, key = "") => this.of(key).store.tellDeadlock(waiter),
    };
  }
}
