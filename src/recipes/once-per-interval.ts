import type { AcquireOptions, Job, Locker, RunResult } from "../index.js";
import { check, checkMs } from "./checks.js";

export type OncePerIntervalOptions = Pick<AcquireOptions, "trace" | "lockTtlMs" | "signal"> & {
  /** By how much the clocks that start the job may differ, ms. Default half the interval, and at most that. */
  skewMs?: number;
};

/**
 * For a job that many processes start at the same time of the clock, as cron does: the first one runs it, and after a
 * success the key stays taken until `skewMs` after the grant, so that those whose clocks are late find it busy, however
 * quick the job was. One that fails gives the key back at once: the next process to come tries again.
 */
export async function oncePerInterval<T>(
  locker: Locker,
  key: string,
  intervalMs: number,
  fn: Job<T>,
  options: OncePerIntervalOptions = {},
): Promise<RunResult<T>> {
  const { skewMs = Math.floor(intervalMs / 2), ...wanted } = options;
  const isWhole = Number.isSafeInteger(intervalMs) && intervalMs > 0;
  check(isWhole, "intervalMs", intervalMs, "must be a whole number of ms, at least 1");
  checkMs("skewMs", skewMs, 0);
  // Kept for longer, it would refuse the next interval's first, whose clock is early.
  check(skewMs <= intervalMs / 2, "skewMs", skewMs, `must be at most half of intervalMs (${intervalMs})`);
  return locker.acquireAndRun(key, fn, { ...wanted, minHoldMs: skewMs });
}
