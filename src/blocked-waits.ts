import type { Acquired, Wanted } from "./attempt.js";
import type { Clock } from "./clock.js";
import type { Holder, LeaseRecord, LeaseStore } from "./databases/database.js";
import { BlockedMarks } from "./blocked-marks.js";
import { BlockedWait } from "./blocked-wait.js";
import { CycleSearch, isStill, victimOf, type BlockedTask, type CycleStep } from "./deadlock.js";
import { DeadlockError, StoreError } from "./errors.js";
import type { HeldKey } from "./held-context.js";
import type { HeldLease } from "./held-lease.js";

/** How long before a wait looks again, ms: soon, as who queued just then may not have said so yet; then slow. */
const LOOK_MS = [30, 30, 1_000] as const;
/** Between two readings of a wait that no queue vouches for, ms: longer than its mark outlives it. */
const UNVOUCHED_MS = 20;

type Task = BlockedTask<LeaseRecord>;
type Cycle = readonly CycleStep<LeaseRecord>[];

export type BlockedWaitsDeps = {
  clock: Clock;
  lockerId: string;
  store: Pick<LeaseStore, "markBlocked" | "readWaiting" | "readHolders" | "tellDeadlock">;
  /** The leases of this locker: of a key that is shared, the store names but one for each session. */
  own(): readonly HeldLease[];
  /** The era in which this locker lives where that key is. */
  era(key: string): string | undefined;
  describe(record: LeaseRecord): Promise<Holder>;
};

/**
 * The waits of this locker's tasks that hold something. Each is queued first, then it is said in the store under every
 * lease its task holds, then the others are read: so whoever closes a cycle sees all of it.
 */
export class BlockedWaits {
  readonly #deps: BlockedWaitsDeps;
  readonly #waits = new Set<BlockedWait>();
  readonly #marks: BlockedMarks;

  constructor(deps: BlockedWaitsDeps) {
    this.#deps = deps;
    const { clock, store } = deps;
    this.#marks = new BlockedMarks({ clock, store, waits: this.#waits, idOf: (leaseNumber) => this.#id(leaseNumber) });
  }

  /** Permits are no part of it: any of their holders may free one. */
  run(wanted: Wanted, holding: readonly HeldKey[], acquire: (wanted: Wanted) => Promise<Acquired>): Promise<Acquired> {
    if (holding.length === 0) return acquire(wanted);
    const holds = holding.filter(({ mode }) => mode !== "permits");
    if (holds.length === 0 || wanted.waitMs <= 0 || wanted.mode === "permits") return acquire(wanted);
    return this.#run(wanted, holds, acquire);
  }

  async #run(
    wanted: Wanted,
    holds: readonly HeldKey[],
    acquire: (wanted: Wanted) => Promise<Acquired>,
  ): Promise<Acquired> {
    const wait = new BlockedWait(wanted.key, holds, this.#deps.clock);
    this.#waits.add(wait);
    wait.onFirstQueued = () => void this.#watch(wait);
    try {
      return await acquire({
        ...wanted,
        signals: [...wanted.signals, wait.signal],
        onQueued: (entry) => wait.onQueued(entry),
      });
    } finally {
      this.#waits.delete(wait);
      wait.end();
      this.#marks.takeBack(wait);
    }
  }

  /** Somebody found that this wait closes a cycle. It reads for itself. */
  onDeadlock(leaseNumber: number): void {
    for (const wait of this.#waits) if (wait.leaseNumber === leaseNumber) wait.wake();
  }

  onNewEra(): void {
    this.#marks.onNewEra();
  }

  /** Resolves when the store was told of every wait that is over. */
  settled(): Promise<void> {
    return this.#marks.settled();
  }

  /** The locker ends. */
  stop(): void {
    this.#marks.stop();
  }

  async #watch(wait: BlockedWait): Promise<void> {
    for (let look = 0; !wait.isOver; look += 1) {
      try {
        await this.#marks.set(wait);
        while (!wait.isOver && (await this.#look(wait)));
      } catch (error) {
        // A store that is away is asked again after the pause. Its wait ends by itself when that takes too long.
        if (!(error instanceof StoreError)) return wait.stop(error as Error);
      }
      await wait.pause(LOOK_MS[Math.min(look, LOOK_MS.length - 1)]!);
    }
  }

  /** Whether to look again at once. */
  async #look(wait: BlockedWait): Promise<boolean> {
    const ending = new Set<string>();
    for (;;) {
      const cycle = await this.#find(wait, ending);
      if (!cycle) return false;
      if (!cycle.every(({ task }) => task.isQueued)) await wait.pause(UNVOUCHED_MS);
      if (!(await this.#stands(wait, cycle))) return true;
      if (wait.isOver) return false;
      const victim = victimOf(cycle);
      if (victim.waiter === this.#id(wait.leaseNumber) && victim.ticket === wait.ticket) {
        wait.stop(new DeadlockError(wait.key, await this.#describe(cycle)));
        return false;
      }
      if (this.#isOwn(victim.waiter)) this.onDeadlock(Number(victim.waiter.slice(victim.waiter.indexOf("#") + 1)));
      else await this.#deps.store.tellDeadlock(victim.waiter, victim.key);
      ending.add(nameOf(victim));
    }
  }

  async #find(wait: BlockedWait, ending: ReadonlySet<string>): Promise<Cycle | undefined> {
    const own = new Set(this.#leaseIds(wait));
    const search = new CycleSearch(await this.#taskOf(wait), own, (task) => ending.has(nameOf(task)));
    while (search.unknown.length > 0) search.tell(await this.#readAll(search.unknown));
    return search.cycle;
  }

  /** Reads every step once more, all at the same time. */
  async #stands(wait: BlockedWait, cycle: Cycle): Promise<boolean> {
    const later = await Promise.all(
      cycle.map((_step, i) =>
        i === 0 ? this.#taskOf(wait).then((task) => [task]) : this.#read(cycle[i - 1]!.leaseId),
      ),
    );
    const isOwn = this.#leaseIds(wait).includes(cycle.at(-1)!.leaseId);
    return isOwn && cycle.every((step, i) => isStill(step, later[i]!));
  }

  async #readAll(leaseIds: readonly string[]): Promise<Map<string, readonly Task[]>> {
    const read = async (leaseId: string) => [leaseId, await this.#read(leaseId)] as const;
    return new Map(await Promise.all(leaseIds.map(read)));
  }

  /** What this locker's own tasks wait for it knows; of others it asks the store. */
  async #read(leaseId: string): Promise<readonly Task[]> {
    if (this.#isOwn(leaseId)) {
      const waits = [...this.#waits].filter((wait) => wait.isQueued && this.#leaseIds(wait).includes(leaseId));
      return Promise.all(waits.map((wait) => this.#taskOf(wait)));
    }
    const task = await this.#deps.store.readWaiting(leaseId);
    if (!task) return [];
    const holders = this.#byLease(task.key, task.holders);
    const isGranted = !task.isQueued && holders.has(task.waiter); // and has not said yet that it waits no more
    return isGranted ? [] : [{ ...task, holders }];
  }

  async #taskOf({ key, leaseNumber, ticket }: BlockedWait): Promise<Task> {
    const holders = this.#byLease(key, await this.#deps.store.readHolders(key));
    return { key, waiter: this.#id(leaseNumber), ticket, holders, isQueued: true };
  }

  /**
   * Without kept leases, which have no job that could wait, permits, of which any holder may free one, and leases of
   * another era, which hold nothing: a store that was put back to old data has old marks of waits as well.
   */
  #byLease(key: string, records: readonly LeaseRecord[]): Map<string, LeaseRecord> {
    const own = this.#deps.own().filter((lease) => lease.key === key && !lease.isLost);
    const all = [...own.map(recordOf), ...records];
    const era = this.#deps.era(key);
    const held = all.filter((one) => one.mode !== "permits" && !one.isKept && one.era === era);
    return new Map(held.map((record) => [leaseIdOf(record), record]));
  }

  #describe(cycle: Cycle) {
    const describe = async ({ task, holder }: CycleStep<LeaseRecord>) => {
      return { key: task.key, holder: await this.#deps.describe(holder) };
    };
    return Promise.all(cycle.map(describe));
  }

  #leaseIds(wait: BlockedWait): string[] {
    return wait.leases.map((leaseNumber) => this.#id(leaseNumber));
  }

  #id(leaseNumber: number): string {
    return `${this.#deps.lockerId}#${leaseNumber}`;
  }

  #isOwn(id: string): boolean {
    return id.startsWith(`${this.#deps.lockerId}#`);
  }
}

const nameOf = ({ waiter, ticket }: Task): string => `${waiter} ${ticket}`;

function recordOf(lease: HeldLease): LeaseRecord {
  const { key, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace, grant } = lease;
  const { mode, permits } = grant;
  const units = permits?.take ?? 1;
  return { key, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace, mode, units, isKept: false };
}

/** A lease is named by its locker: the session under it may change. */
function leaseIdOf({ sessionId, leaseNumber }: LeaseRecord): string {
  return `${sessionId.slice(0, sessionId.lastIndexOf("."))}#${leaseNumber}`;
}
