import type { BlockedWait } from "./blocked-wait.js";
import { wait as pause, type Clock } from "./clock.js";
import type { LeaseStore } from "./databases/database.js";
import { LockerClosedError } from "./errors.js";

/** For how long the store keeps a mark at the most, ms. */
const MARK_LIVES_MS = 60_000;
const MARK_AGAIN_MS = 20_000;
/** Pause before a mark is taken back again that the store did not answer for, ms: half of it by chance. */
const RETRY_MS = 200;

export type BlockedMarksDeps = {
  clock: Clock;
  store: Pick<LeaseStore, "markBlocked">;
  waits: ReadonlySet<BlockedWait>;
  idOf(leaseNumber: number): string;
};

/** What the store is told of this locker's blocked waits, under the leases that their tasks hold. */
export class BlockedMarks {
  readonly #deps: BlockedMarksDeps;
  readonly #pending = new Set<Promise<void>>();
  readonly #ended = new AbortController();
  /** Leases whose mark was taken back, and how long a store that is put back to old data may bring it again. */
  readonly #takenBack = new Map<number, number>();

  constructor(deps: BlockedMarksDeps) {
    this.#deps = deps;
  }

  async set(wait: BlockedWait): Promise<void> {
    if (!wait.needsMark(MARK_AGAIN_MS)) return;
    const { key, ticket } = wait;
    const waits = { key, waiter: this.#deps.idOf(wait.leaseNumber), ticket };
    const onMarked = wait.mark();
    wait.underWay = this.#deps.store.markBlocked({ leaseIds: wait.leases.map(this.#deps.idOf), waits });
    await wait.underWay;
    onMarked();
  }

  /** That wait is over. */
  takeBack(over: BlockedWait): void {
    if (over.isMarked) this.#follow(this.#unmark(over));
  }

  /** The store may have lost its memory: what it was told of these waits, or that others are over. */
  onNewEra(): void {
    const waits = [...this.#deps.waits];
    for (const wait of waits) wait.markAgain();
    this.#forgetOld();
    const isSaidAgain = (leaseNumber: number): boolean => waits.some(({ leases }) => leases.includes(leaseNumber));
    const over = [...this.#takenBack.keys()].filter((leaseNumber) => !isSaidAgain(leaseNumber));
    if (over.length > 0) this.#follow(this.#erase(new Set(over)));
  }

  /** Resolves when every mark whose wait is over was taken back. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** The locker ends: what it has not taken back yet ends by itself. */
  stop(): void {
    this.#ended.abort(new LockerClosedError());
  }

  #follow(task: Promise<void>): void {
    const followed = task.finally(() => this.#pending.delete(followed));
    this.#pending.add(followed);
  }

  /** Not before the last mark was answered, which could be sent again and land behind its taking back. */
  async #unmark(over: BlockedWait): Promise<void> {
    await over.underWay?.catch(() => {}); // whatever became of it
    const gone = this.#deps.clock.monoMs() + MARK_LIVES_MS;
    this.#forgetOld();
    for (const leaseNumber of over.markedLeases) {
      this.#takenBack.delete(leaseNumber); // the map is in the order of their ends
      this.#takenBack.set(leaseNumber, gone);
    }
    await this.#erase(over.markedLeases);
  }

  /**
   * Asked until the store answers: a mark that outlived its wait would close circles that are none. What else the same
   * task waits for is said again, under the leases that both of them named.
   */
  async #erase(leaseNumbers: ReadonlySet<number>): Promise<void> {
    const { clock, store, waits, idOf } = this.#deps;
    const leaseIds = [...leaseNumbers].map(idOf);
    const gone = clock.monoMs() + MARK_LIVES_MS;
    while (!this.#ended.signal.aborted && clock.monoMs() < gone) {
      try {
        await store.markBlocked({ leaseIds, waits: undefined });
        break;
      } catch {
        const pauseMs = RETRY_MS * (0.5 + clock.random() / 2);
        await pause(clock, pauseMs, this.#ended.signal).catch(() => {}); // the loop looks whether it ended
      }
    }
    for (const other of waits) if (other.holdsOneOf(leaseNumbers)) other.markAgain();
  }

  #forgetOld(): void {
    const nowMs = this.#deps.clock.monoMs();
    for (const [leaseNumber, gone] of this.#takenBack) {
      if (gone > nowMs) return;
      this.#takenBack.delete(leaseNumber);
    }
  }
}
