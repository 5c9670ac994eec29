import type { Acquired, AcquisitionDeps, Wanted } from "../attempt.js";
import type { Holder } from "../databases/database.js";
import type { Grant } from "../grant.js";
import { LocalWaiter, WaiterQueue } from "./local-waiters.js";

/** How many permits of a key this process has at most, and who waits here for one of its own to come back. */
class Share {
  readonly waiters = new WaiterQueue();
  readonly granted = new Set<Grant>();
  /** Permits that are held, or asked for. */
  used = 0;
}

/** Keeps a process from having more permits of a key than its callers said: whoever would exceed that asks later. */
export class Shares {
  readonly #deps: AcquisitionDeps;
  readonly #ask: (wanted: Wanted) => Promise<Acquired>;
  readonly #shares = new Map<string, Share>();

  constructor(deps: AcquisitionDeps, ask: (wanted: Wanted) => Promise<Acquired>) {
    this.#deps = deps;
    this.#ask = ask;
  }

  run(wanted: Wanted): Promise<Acquired> {
    const share = this.#shares.get(wanted.key) ?? new Share();
    this.#shares.set(wanted.key, share);
    return new Promise((resolve, reject) => {
      const { clock } = this.#deps;
      const waiter = new LocalWaiter(wanted, clock.monoMs(), resolve, reject);
      share.waiters.add(waiter);
      waiter.startTimer(clock, () => this.#onLate(share, waiter));
      waiter.listen((reason) => this.#leave(share, waiter, () => reject(reason)));
      this.#serve(share, wanted.key);
      if (wanted.waitMs === 0) this.#onLate(share, waiter);
    });
  }

  /** In the order in which they came: who wants many is not passed by those who want few. */
  #serve(share: Share, key: string): void {
    for (let first = share.waiters.first; first; first = share.waiters.first) {
      const { take, perProcess } = first.wanted.permits!;
      if (share.used + take > perProcess) return;
      share.waiters.remove(first);
      share.used += take;
      void this.#askFor(share, first);
    }
    if (share.used === 0) this.#shares.delete(key);
  }

  async #askFor(share: Share, { wanted, startedMs, resolve, reject }: LocalWaiter): Promise<void> {
    const { take } = wanted.permits!;
    const free = () => {
      share.used -= take;
      this.#serve(share, wanted.key);
    };
    const leftMs = Math.max(0, wanted.waitMs - (this.#deps.clock.monoMs() - startedMs));
    try {
      const acquired = await this.#ask({ ...wanted, waitMs: leftMs });
      if (!("grant" in acquired)) {
        resolve(acquired);
        return free();
      }
      const { grant } = acquired;
      share.granted.add(grant);
      const next = () => {
        share.granted.delete(grant);
        free();
        return undefined; // the store has it back, as others may wait there
      };
      resolve({ grant: { ...grant, tenure: { next } } });
      for (const late of share.waiters.late) this.#onLate(share, late);
    } catch (error) {
      reject(error as Error);
      free();
    }
  }

  /** Who has no time left, and waits for this process alone, is told of a lease of this process. */
  #onLate(share: Share, waiter: LocalWaiter): void {
    const [grant] = share.granted;
    waiter.isLate = true;
    if (!grant) return; // nobody has it yet: once that is decided
    this.#leave(share, waiter, () => this.#describe(grant).then((holder) => waiter.resolve({ holder }), waiter.reject));
  }

  #leave(share: Share, waiter: LocalWaiter, settle: () => void): void {
    if (waiter.isGone) return;
    share.waiters.remove(waiter);
    settle();
    this.#serve(share, waiter.wanted.key);
  }

  #describe(grant: Grant): Promise<Holder> {
    const { key, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace, mode, permits } = grant;
    const facts = { key, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace };
    return this.#deps.judge.describe({ ...facts, mode, units: permits?.take ?? 1, isKept: false });
  }
}
