import type { LeaseMode, LeaseRecord } from "../database.js";
import { FORMAT, numberOf, type LeaseRow } from "./records.js";
import type { Step } from "./step.js";

/**
 * What holds a key: as holders.lua, but a lease is a row in any mode. One exclusive lease, or several that hold the key
 * together and then agree in token, limit and era.
 */

const HOLDERS_TOLD = 8;
const HOLDERS_LOOKED_AT = 64;

export type HeldLease = LeaseRow & { readonly leaseId: string; readonly untilMs: number };
export type Held = {
  readonly key: string;
  readonly mode: LeaseMode;
  readonly era: string;
  readonly token: number;
  readonly limit: number;
  readonly leases: readonly HeldLease[];
};

/** What somebody wants of a key, as that lease. `limit` is 0 of all that are no permits. */
export type Wish = { leaseId: string; mode: LeaseMode; units: number; limit: number };

type Asked = { mode?: LeaseMode | undefined; permits?: { take: number; limit: number } | undefined };

export function wishOf(leaseId: string, { mode = "exclusive", permits }: Asked): Wish {
  if (mode !== "permits") return { leaseId, mode, units: 1, limit: 0 };
  return { leaseId, mode, units: permits?.take ?? 1, limit: permits?.limit ?? 1 };
}

/** Leases that have run out count for nothing and are cleared away; undefined when nothing holds the key. */
export function readHeld({ records, nowMs }: Step, key: string): Held | undefined {
  const leases: HeldLease[] = [];
  for (const { sub, row, untilMs } of records.scan("lease", key)) {
    if (untilMs > nowMs) leases.push({ ...row, leaseId: sub, untilMs });
    else records.delete("lease", key, sub);
  }
  return heldBy(key, leases);
}

function heldBy(key: string, leases: readonly HeldLease[]): Held | undefined {
  const [first] = leases;
  return first && { key, mode: first.mode, era: first.era, token: first.token, limit: first.limit, leases };
}

/** Whether a grant of that era still counts: what is kept does in any, since nobody could say it again. */
export function counts(held: Held, era: string): boolean {
  return held.era === era || (held.mode === "exclusive" && held.leases[0]?.state === "kept");
}

/** What holds the key in this era. */
export function current(step: Step, key: string): Held | undefined {
  const held = readHeld(step, key);
  return held && counts(held, step.ns.era) ? held : undefined;
}

/** The lease of that id, whatever the key is held as. Its session and state may be others by now. */
export function findLease(held: Held | undefined, leaseId: string): HeldLease | undefined {
  return held?.leases.find((lease) => lease.leaseId === leaseId);
}

/** Field by field: copied as the rest of a destructuring it costs Node 20 some 2 µs more, here and in every reader. */
function rowOf({ v, mode, state, sessionId, token, atMs, era, units, limit, markedMs, steadyMs, trace }: HeldLease) {
  return { v, mode, state, sessionId, token, atMs, era, units, limit, markedMs, steadyMs, trace } satisfies LeaseRow;
}

/** Writes a lease, new or changed, beside those that hold the key. Returns what holds it now. */
export function putLease({ records }: Step, key: string, held: Held | undefined, lease: HeldLease): Held {
  const { leaseId, untilMs } = lease;
  records.put("lease", key, leaseId, rowOf(lease), untilMs);
  const others = held?.leases.filter((other) => other.leaseId !== leaseId) ?? [];
  return heldBy(key, [...others, lease])!;
}

/** The first lease of a key. What lay there before counts for nothing any more. */
export function beginHolding(step: Step, key: string, lease: HeldLease): Held {
  for (const { sub } of step.records.scan("lease", key)) {
    if (sub !== lease.leaseId) step.records.delete("lease", key, sub);
  }
  return putLease(step, key, undefined, lease);
}

/** Returns what is left. */
export function removeLease({ records }: Step, { key, leases }: Held, leaseId: string): Held | undefined {
  records.delete("lease", key, leaseId);
  return heldBy(
    key,
    leases.filter((other) => other.leaseId !== leaseId),
  );
}

/** A lease that nobody has marked. */
export function freshLease(
  facts: Omit<HeldLease, "v" | "state" | "markedMs" | "steadyMs" | "untilMs">,
  untilMs: number,
): HeldLease {
  const { leaseId, mode, sessionId, token, atMs, era, units, limit, trace } = facts;
  const unmarked = { markedMs: 0, steadyMs: 0, untilMs };
  return { v: FORMAT, state: "held", leaseId, mode, sessionId, token, atMs, era, units, limit, trace, ...unmarked };
}

/**
 * Whether a wish can be granted beside what holds the key. Not while its own lease is there: it was revoked by force
 * before its waiter heard of it, and would be counted twice.
 */
export function isCompatible(held: Held | undefined, wish: Wish): boolean {
  if (!held) return true;
  if (wish.mode === "exclusive" || wish.mode !== held.mode) return false;
  const isRoom = wish.mode === "shared" || usedUnits(held) + wish.units <= held.limit;
  return isRoom && !findLease(held, wish.leaseId);
}

const usedUnits = ({ leases }: Held): number => leases.reduce((sum, { units }) => sum + units, 0);

/**
 * What a lost lease is told of: who revoked it by force has not taken it yet, and those who hold a key together are no
 * cause.
 */
export function takenBy(held: Held | undefined): LeaseRecord | undefined {
  const lease = held?.leases[0];
  return held?.mode === "exclusive" && lease && lease.state !== "revoked" ? toRecord(held.key, lease) : undefined;
}

/** Some of the leases that hold the key, for an answer: each of another session, and not always the same. */
export function describe({ nowMs }: Step, held: Held | undefined): LeaseRecord[] {
  const told = new Map<string, LeaseRecord>();
  const leases = held?.leases ?? [];
  for (let i = 0; i < Math.min(leases.length, HOLDERS_LOOKED_AT) && told.size < HOLDERS_TOLD; i++) {
    const lease = leases[(nowMs + i) % leases.length]!;
    if (!told.has(lease.sessionId)) told.set(lease.sessionId, toRecord(held!.key, lease));
  }
  return [...told.values()];
}

export function toRecord(key: string, lease: HeldLease): LeaseRecord {
  const { leaseId, sessionId, token, atMs, era, trace, mode, units, state } = lease;
  return {
    ...{ key, sessionId, leaseNumber: numberOf(leaseId), fencingToken: token, acquiredAtMs: atMs, era, trace },
    ...{ mode, units, isKept: state === "kept" },
  };
}
