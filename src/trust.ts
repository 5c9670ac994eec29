/** Until when our last good answer may be believed. Pure; every duration in ms. */

/** What is kept back from a limit for clocks that run unevenly and for the way to the store. */
export function marginMs(limitMs: number): number {
  return Math.max(200, limitMs / 8);
}

/** How long after a ping was SENT nobody can have condemned this session: less than the shortest silence that may. */
export function trustMs(disconnectGraceMs: number): number {
  return disconnectGraceMs - marginMs(disconnectGraceMs);
}

/** How far the store's clock may drift from ours before silence measured by it proves nothing. */
export function driftMs(disconnectGraceMs: number): number {
  return Math.floor(marginMs(disconnectGraceMs) / 2);
}

/** Until when a lease renewed by a command SENT at that time may be believed without asking, by the same clock. */
export function leaseBelievedUntilMs(renewalSentMs: number, lockTtlMs: number): number {
  return renewalSentMs + lockTtlMs - marginMs(lockTtlMs);
}

/**
 * From when on the wall clock can tell how long a lease has lived. It hides a suspended machine once it was set back by
 * more than the margin that is kept back from the lease's end.
 */
export function leaseBelievedFromMs(renewalSentMs: number, lockTtlMs: number): number {
  return renewalSentMs - marginMs(lockTtlMs);
}

/** The least recovery window that outlives every trust from before a loss of data. */
export function recoveryMsMin(disconnectGraceMs: number, pingIntervalMs: number): number {
  return Math.ceil(trustMs(disconnectGraceMs) + 2 * pingIntervalMs);
}

/**
 * What the store's clock did between two pings, as far as it is certain. A ping executed at store time `nowMs` was
 * sent and answered between two readings of ours, so the offset between the clocks lies in [low, high]; two pings
 * whose intervals do not meet saw a step, however late either was.
 */
export type OffsetInterval = { low: number; high: number };

export function offsetInterval(nowMs: number, sentMs: number, receivedMs: number): OffsetInterval {
  return { low: nowMs - receivedMs, high: nowMs + 1 - sentMs };
}

export function steppedForwardMs(before: OffsetInterval, after: OffsetInterval): number {
  return Math.max(0, after.low - before.high);
}

/** In what way a session may enter a new era again. */
export type Reentry = "trusted" | "provisional" | "silent" | "vouched" | "refused";

/**
 * Trusted until now: it cannot have been condemned. Trust lapsed, but it ran ever since: it may come back, believed
 * only when the window has closed, and if nobody knows that the store served others for longer ("provisional"). If no
 * connection broke in time, it cannot tell a store that stood still from its own being cut off ("silent"): then the
 * store's data must show it as well. So it must for one that stood still itself, after it had asked in vain for as long
 * as an answer is believed. One that stood still sooner may have been condemned unheard, unless another store vouches
 * that nobody can have done so.
 */
export function decideReentry(facts: {
  /** A ping was good since the worker began. */
  hasServed: boolean;
  isTrusted: boolean;
  /** Between the last good ping and the break of its connection; undefined when none broke. */
  servedGapMs: number | undefined;
  /** For how long it ran after its last good ping until it stood still first; Infinity if it never did. */
  ranMs: number;
  isVouched: boolean;
  trustMs: number;
}): Reentry {
  if (facts.hasServed && facts.isTrusted) return "trusted";
  if (facts.isVouched) return "vouched";
  if (!facts.hasServed || facts.ranMs < facts.trustMs) return "refused";
  const hasBroken = facts.servedGapMs !== undefined && facts.servedGapMs < facts.trustMs;
  return hasBroken && facts.ranMs === Infinity ? "provisional" : "silent";
}
