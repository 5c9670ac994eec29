// What the oracle is shown of the store after each script.

import { entriesIn, holdersIn, type EntrySeen, type HolderSeen, type Stored } from "./records-seen.js";

/** The record and the queue of one key, before a script and after it. */
export type Change = {
  readonly key: string;
  readonly before: { readonly lease: Stored; readonly queue: Stored };
  readonly after: { readonly lease: Stored; readonly queue: Stored };
};

export type Look = {
  /** The store's clock. */
  readonly nowMs: number;
  readonly era: string;
  /** Whether a recovery window is open: nothing may be granted. */
  readonly isRecovering: boolean;
  readonly fence: number;
  readonly listeners: (channel: string) => number;
  /** Of the keys that the script could write. */
  readonly changes: readonly Change[];
  /** What it published. */
  readonly told: readonly string[];
};

export type Report = (rule: string, what: string, key?: string) => void;

/** Whether it may be granted something without asking. */
export function isFit(entry: EntrySeen, look: Look): boolean {
  if (entry.era !== look.era || entry.fitUntilMs <= look.nowMs) return false;
  return entry.channel === "" || look.listeners(entry.channel) > 0;
}

/** Those whose lease counts: not over, and of this era, unless it is kept; that one nobody could say again. */
export function standing(record: Stored, { era, nowMs }: Pick<Look, "era" | "nowMs">): HolderSeen[] {
  return holdersIn(record).filter((one) => (one.era === era || one.isKept) && one.untilMs > nowMs);
}

/** Whether it could have the key beside those who have it. */
export function isCompatible(wish: Pick<EntrySeen, "mode" | "units">, holders: readonly HolderSeen[]): boolean {
  if (holders.length === 0) return true;
  if (wish.mode === "exclusive" || holders.some(({ mode }) => mode !== wish.mode)) return false;
  const used = holders.reduce((sum, { units }) => sum + units, 0);
  return wish.mode === "shared" || used + wish.units <= holders[0]!.limit;
}

/**
 * The first that waits and could be granted something at this very moment, if it is compatible. Not one that stands
 * behind its own lease, which was revoked by force before it heard of it.
 */
export function grantable({ lease, queue }: Change["after"], look: Look): EntrySeen | undefined {
  const first = entriesIn(queue).find((entry) => isFit(entry, look));
  const holders = standing(lease, look);
  if (!first || holders.some(({ leaseId }) => leaseId === first.leaseId)) return undefined;
  return isCompatible(first, holders) ? first : undefined;
}
