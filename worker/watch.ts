import type { SharedCells } from "../src/shared-cells.js";

export type WatchLimits = { lockTtlMs: number; killAfterMs: number | undefined; tickMs: number };

/** The main thread ticks four times in this time, ms. */
const MAIN_STUCK_MS = 1_000;

/**
 * Watches the main thread from the worker's. All times are the worker's own running time, summed tick by tick: while
 * the whole process was stopped the main thread could not run either, so that does not count against it.
 */
export class MainWatch {
  readonly #cells: SharedCells;
  readonly #limits: WatchLimits;
  #lastTick = -1;
  #stillMs = 0;
  #unjudgedMs = 0;
  readonly #lostJobs = new Map<number, number>();

  constructor(cells: SharedCells, limits: WatchLimits) {
    this.#cells = cells;
    this.#limits = limits;
  }

  onLost(leaseNumber: number): void {
    if (!this.#lostJobs.has(leaseNumber)) this.#lostJobs.set(leaseNumber, 0);
  }
  onSettled(leaseNumber: number): void {
    this.#lostJobs.delete(leaseNumber);
  }

  /** `elapsedMs` since the last tick. Returns what is to be done. */
  tick(elapsedMs: number): { isStuck: boolean; killJobs: number } {
    const ranMs = Math.min(elapsedMs, 2 * this.#limits.tickMs);
    const mainTick = this.#cells.readMainTick();
    this.#stillMs = mainTick === this.#lastTick ? this.#stillMs + ranMs : 0;
    this.#lastTick = mainTick;
    const stillMsMax = Math.max(this.#limits.lockTtlMs, this.#cells.readLockTtlMsMax());
    return { isStuck: this.#stillMs >= stillMsMax, killJobs: this.#overdue(ranMs) };
  }

  /** How many jobs die with the process if it has to be killed now; 0 when it has not. */
  #overdue(ranMs: number): number {
    const { killAfterMs } = this.#limits;
    if (killAfterMs === undefined) return 0;
    // A stuck main thread cannot say which leases it lost: that it has not judged this epoch is all there is to see.
    // One that runs says so itself, and may be waiting for the store to know.
    const stuck = this.#stillMs >= MAIN_STUCK_MS && this.#cells.readJobs() > 0;
    const unjudged = stuck && this.#cells.readJudgedEpoch() !== this.#cells.readEpoch();
    this.#unjudgedMs = unjudged ? this.#unjudgedMs + ranMs : 0;
    let overdue = this.#unjudgedMs >= killAfterMs;
    for (const [leaseNumber, ms] of this.#lostJobs) {
      this.#lostJobs.set(leaseNumber, ms + ranMs);
      overdue ||= ms + ranMs >= killAfterMs;
    }
    return overdue ? Math.max(1, this.#cells.readJobs()) : 0;
  }
}
