import { LockModeError } from "../errors.js";
import type { LeaseMode } from "./database-waiting.js";

/**
 * Why a wish does not go with what a key is in use as, in any backend's words; undefined when it does. Permits are
 * given out by one limit, and go with no other mode; `limit` and `units` count for them alone.
 */
export function modeMisfit(
  key: string,
  wish: { mode: LeaseMode; units: number; limit: number },
  known: { mode: LeaseMode; limit: number },
): LockModeError | undefined {
  if ((wish.mode === "permits") !== (known.mode === "permits")) {
    const rule = `does not go with that in which the key is in use (${known.mode})`;
    return new LockModeError(key, "mode", wish.mode, rule);
  }
  if (wish.mode !== "permits") return undefined;
  if (wish.limit !== known.limit) {
    const rule = `must be that with which it is in use, ${known.limit}`;
    return new LockModeError(key, "permits.limit", wish.limit, rule);
  }
  if (wish.units <= wish.limit) return undefined;
  return new LockModeError(key, "permits.take", wish.units, `must be at most permits.limit, ${wish.limit}`);
}
