/** A task that holds leases waits for a key. Leases and waits are named `<locker id>#<number>`. */
export type BlockedTask<Holder> = {
  key: string;
  waiter: string;
  /** When it began to wait, the store's µs: what tells one wait from the next of the same name, and who was last. */
  ticket: number;
  /** Who holds that key, by lease. */
  holders: ReadonlyMap<string, Holder>;
  /** Whether the store's queue says so, too. */
  isQueued: boolean;
};

/** One wait of a cycle: for that key, held under that lease, whose task waits as the next one says. */
export type CycleStep<Holder> = { task: BlockedTask<Holder>; leaseId: string; holder: Holder };

/**
 * Looks for a cycle that a wait closes, breadth first: the holders of its key, what those wait for, and so on,
 * until one of them is held by the waiting task itself. Asks for nothing: who uses it reads what `unknown` names, and
 * tells it.
 */
export class CycleSearch<Holder> {
  /** Shortest first, ending with the lease that the waiting task holds; undefined as long as none was found. */
  cycle: readonly CycleStep<Holder>[] | undefined;
  readonly #own: ReadonlySet<string>;
  readonly #isEnding: (task: BlockedTask<Holder>) => boolean;
  readonly #ways = new Map<string, readonly CycleStep<Holder>[]>();
  #unknown: string[] = [];

  /** `own`: the leases that the waiting task holds; `isEnding`: whether that wait is known to end soon. */
  constructor(
    task: BlockedTask<Holder>,
    own: ReadonlySet<string>,
    isEnding: (task: BlockedTask<Holder>) => boolean = () => false,
  ) {
    this.#own = own;
    this.#isEnding = isEnding;
    this.#follow(task, []);
  }

  /** Leases of which it is not known yet what their tasks wait for; empty when the search is over. */
  get unknown(): readonly string[] {
    return this.cycle ? [] : this.#unknown;
  }

  /** What the tasks of the leases that were unknown wait for: nothing, or more than one key at once. */
  tell(answers: ReadonlyMap<string, readonly BlockedTask<Holder>[]>): void {
    const asked = this.#unknown;
    this.#unknown = [];
    for (const leaseId of asked) {
      for (const task of answers.get(leaseId) ?? []) this.#follow(task, this.#ways.get(leaseId)!);
    }
  }

  #follow(task: BlockedTask<Holder>, way: readonly CycleStep<Holder>[]): void {
    if (this.cycle || this.#isEnding(task)) return;
    for (const [leaseId, holder] of task.holders) {
      if (this.#ways.has(leaseId)) continue;
      const steps = [...way, { task, leaseId, holder }];
      if (this.#own.has(leaseId)) {
        this.cycle = steps;
        return;
      }
      this.#ways.set(leaseId, steps);
      this.#unknown.push(leaseId);
    }
  }
}

/**
 * Whether a later reading of what the task waits for finds the same step. When it does so for every step of a cycle,
 * all of them stood at once: each wait, and each lease, is one thing without a gap, so what was read before and after
 * that moment was there in between.
 */
export function isStill<H>({ task, leaseId }: CycleStep<H>, later: readonly BlockedTask<H>[]): boolean {
  const isSame = ({ waiter, ticket, key, holders }: BlockedTask<H>) =>
    waiter === task.waiter && ticket === task.ticket && key === task.key && holders.has(leaseId);
  return later.some(isSame);
}

/** Who gives way: the one that began to wait last. All members of a cycle find the same. */
export function victimOf<H>(cycle: readonly CycleStep<H>[]): BlockedTask<H> {
  const later = (a: BlockedTask<H>, b: BlockedTask<H>) =>
    a.ticket === b.ticket ? (a.waiter > b.waiter ? a : b) : a.ticket > b.ticket ? a : b;
  return cycle.map(({ task }) => task).reduce(later);
}
