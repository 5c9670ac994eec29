import { BlockedWaits } from "../../src/blocked-waits.js";
import { systemClock } from "../../src/clock.js";
import type { BlockedRequest, Holder, LeaseRecord, WaitingTask } from "../../src/databases/database.js";
import { StoreError } from "../../src/errors.js";
import type { HeldKey } from "../../src/held-context.js";
import { joinSignals } from "../../src/signals.js";

/** Its outcome is the error with which it ends. */
type Waiting = { outcome: Promise<unknown>; stop: () => void };

/** Some lockers on one store, of which a test says who holds what. */
export class BlockedStage {
  readonly holders = new Map<string, LeaseRecord[]>();
  readonly marks = new Map<string, { key: string; waiter: string; ticket: number }>();
  readonly lockers = new Map<string, BlockedWaits>();
  readonly told: string[] = [];
  /** While true no answer comes. */
  isDown = false;
  /** Until then a mark that is set now is under way. */
  slow: Promise<void> | undefined;
  isQueued = true;
  era = "era1";
  looks = 0;
  /** Leases that were lost or given back. */
  readonly over = new Set<number>();
  /** How often a mark was to be set or taken back. */
  asked = 0;
  #ticket = 1_000;
  #number = 0;

  locker(lockerId: string): BlockedWaits {
    const deps = { clock: systemClock, lockerId, store: this, describe: (r: LeaseRecord) => this.#describe(r) };
    const made = this.lockers.get(lockerId) ?? new BlockedWaits({ ...deps, own: () => [], era: () => this.era });
    this.lockers.set(lockerId, made);
    return made;
  }

  hold(lockerId: string, key: string, mode: HeldKey["mode"] = "exclusive"): HeldKey {
    const leaseNumber = ++this.#number;
    const facts = { fencingToken: 1, acquiredAtMs: 1, era: this.era, trace: "", units: 1, isKept: false };
    const record = { ...facts, key, sessionId: `${lockerId}.1`, leaseNumber, mode };
    this.holders.set(key, [...(this.holders.get(key) ?? []), record]);
    return {
      key,
      mode,
      units: 1,
      leaseNumber,
      lease: {} as HeldKey["lease"],
      isOver: () => this.over.has(leaseNumber),
    };
  }

  /** A task that holds these waits for that key, and never gets it. */
  wait(lockerId: string, holding: readonly HeldKey[], key: string, ticket = ++this.#ticket): Waiting {
    const stop = new AbortController();
    const wanted = { key, lockTtlMs: 1, trace: "", waitMs: Infinity, mode: "exclusive", minHoldMs: 0 } as const;
    const outcome = this.locker(lockerId).run({ ...wanted, signals: [stop.signal] }, holding, async (asked) => {
      asked.onQueued?.({ leaseNumber: ++this.#number, ticket });
      return joinSignals(asked.signals).within(new Promise<never>(() => undefined));
    });
    return { outcome: outcome.catch((error: unknown) => error), stop: () => stop.abort(new Error("stopped")) };
  }

  markBlocked({ leaseIds, waits }: BlockedRequest): Promise<void> {
    this.asked += 1;
    if (waits && this.slow) return this.slow.then(() => this.#set(leaseIds, waits));
    if (this.isDown) return Promise.reject(new StoreError("unreachable", "no answer"));
    this.#set(leaseIds, waits);
    return Promise.resolve();
  }

  #set(leaseIds: readonly string[], waits: BlockedRequest["waits"]): void {
    for (const leaseId of leaseIds) {
      if (waits) this.marks.set(leaseId, waits);
      else this.marks.delete(leaseId);
    }
  }

  readWaiting(leaseId: string): Promise<WaitingTask | undefined> {
    const mark = this.marks.get(leaseId);
    const holders = (mark && this.holders.get(mark.key)) ?? [];
    return Promise.resolve(mark && { ...mark, isQueued: this.isQueued, holders });
  }

  readHolders(key: string): Promise<LeaseRecord[]> {
    this.looks += 1;
    return Promise.resolve(this.holders.get(key) ?? []);
  }

  tellDeadlock(waiter: string): Promise<void> {
    this.told.push(waiter);
    const [lockerId = "", number] = waiter.split("#");
    this.lockers.get(lockerId)?.onDeadlock(Number(number));
    return Promise.resolve();
  }

  #describe({ key, sessionId }: LeaseRecord): Promise<Holder> {
    return Promise.resolve({ key, sessionId, heldForMs: 1 } as Holder);
  }
}
