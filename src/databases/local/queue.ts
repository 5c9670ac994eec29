import { countDoors, publish } from "./doors.js";
import { beginHolding, freshLease, isCompatible, putLease, type Held, type Wish } from "./holders.js";
import { FORMAT, numberOf, type WaiterRow } from "./records.js";
import type { Waiter } from "../database.js";
import type { Step } from "./step.js";

/** Who waits for a key, in the order in which they came: as queue.lua. */

/** For garbage only: every entry is asked for again within a second or so. */
const QUEUE_KEEP_MS = 3_600_000;
const UNFIT_TOLD = 7;
/** The polls of those who are left bring the next. */
const GRANTS_A_CALL = 64;

export type QueueEntry = WaiterRow & { readonly leaseId: string };
export type Queue = { readonly key: string; entries: QueueEntry[]; limit: number; readonly stale: QueueEntry[] };

export function openQueue({ records }: Step, key: string): Queue {
  const entries = records.scan("waiter", key).map(({ sub, row }) => ({ ...row, leaseId: sub }));
  entries.sort((a, b) => a.place - b.place);
  return { key, entries, limit: entries[0]?.limit ?? 0, stale: [] };
}

export function findEntry(queue: Queue, leaseId: string): QueueEntry | undefined {
  return queue.entries.find((entry) => entry.leaseId === leaseId);
}

/** Writes an entry, a new one or one that is there, in its old place. */
export function enqueue(step: Step, queue: Queue, entry: Omit<QueueEntry, "v" | "place" | "ticket">): number {
  const known = findEntry(queue, entry.leaseId);
  const place = known?.place ?? (queue.entries.at(-1)?.place ?? 0) + 1;
  const ticket = known?.ticket ?? step.nowUs;
  const { leaseId, ...row } = { ...entry, v: FORMAT, place, ticket };
  step.records.put("waiter", queue.key, leaseId, row, step.nowMs + QUEUE_KEEP_MS);
  return ticket;
}

export function dropEntry({ records }: Step, queue: Queue, { leaseId }: QueueEntry): void {
  records.delete("waiter", queue.key, leaseId);
  queue.entries = queue.entries.filter((entry) => entry.leaseId !== leaseId);
}

/** Nobody in it can be granted anything, and its limit is no longer in use. */
export function dropQueue({ records }: Step, queue: Queue): void {
  records.delete("waiter", queue.key);
  Object.assign(queue, { entries: [], limit: 0 });
}

/** Entries of an older era, as they were met: who waits has asked again since, or will. */
export function dropStale(step: Step, queue: Queue): void {
  for (const entry of queue.stale) if (queue.entries.includes(entry)) dropEntry(step, queue, entry);
}

/** Whether its main thread asked a moment ago and still listens. One that cannot be told is judged by time alone. */
function isFit(step: Step, { fitUntilMs, channel }: QueueEntry): boolean {
  return fitUntilMs > step.nowMs && (channel === "" || countDoors(step, channel) > 0);
}

/**
 * The first entry of this era that is fit, or is the asker's own. The unfit ones before it are added to `unfit`. The
 * asker is fit: it asks.
 */
export function firstFit(step: Step, queue: Queue, askerId?: string, unfit?: Waiter[]): QueueEntry | undefined {
  for (const entry of queue.entries) {
    const { leaseId, sessionId, era } = entry;
    if (era !== step.ns.era) {
      if (leaseId !== askerId) queue.stale.push(entry);
    } else if (leaseId === askerId || isFit(step, entry)) return entry;
    else if (unfit && unfit.length < UNFIT_TOLD && !unfit.some((one) => one.leaseId === leaseId)) {
      unfit.push({ leaseId, sessionId });
    }
  }
  return undefined;
}

/**
 * The next tokens: so many, but none further ahead of the store's clock than a tenth of the recovery window, since
 * after a loss of data the clock alone keeps tokens growing. Whoever calls it saves the fence.
 */
export function takeBlock(step: Step, tokens: number): [first: number, last: number] {
  const first = Math.max(step.fence + 1, step.nowUs);
  step.fence = Math.max(first, Math.min(first + tokens - 1, step.nowUs + step.ns.recoveryMs * 100));
  return [first, step.fence];
}

export type Granted = { held: Held; token: number; lastToken: number; atMs: number };

/** Grants a wish, which must be compatible. Whoever calls it saves the fence. */
export function grant(
  step: Step,
  key: string,
  held: Held | undefined,
  wish: Wish & { leaseId: string; sessionId: string; lockTtlMs: number; tokens: number; trace: string },
): Granted {
  const { mode, units, limit, leaseId, sessionId, trace, lockTtlMs, tokens } = wish;
  let [token, lastToken] = [held?.token ?? 0, held?.token ?? 0];
  if (!held && mode !== "permits") [token, lastToken] = takeBlock(step, mode === "exclusive" ? tokens : 1);
  const atMs = step.nowMs;
  const facts = { leaseId, mode, sessionId, token, atMs, era: step.ns.era, units, limit, trace };
  const lease = freshLease(facts, atMs + lockTtlMs);
  const now = held ? putLease(step, key, held, lease) : beginHolding(step, key, lease);
  return { held: now, token, lastToken, atMs };
}

/** What the waiter of an entry is told. A hint: its next asking finds the lease as well. */
function tellGranted(step: Step, { channel, leaseId, sessionId }: QueueEntry, granted: Granted): void {
  const { token, lastToken, atMs } = granted;
  const lease = { leaseNumber: numberOf(leaseId), fencingToken: token, lastToken, acquiredAtMs: atMs };
  const push = { kind: "granted", ...lease, era: step.ns.era, sessionId } as const;
  step.grantsToTell.push(() => publish(step, channel, push));
}

/** At the end of a step. */
export function tellGrants(step: Step): void {
  for (const tell of step.grantsToTell) tell();
}

/** Tells the first that can be granted the key that nobody is before it any more: it is to watch whoever holds it. */
export function tellFirst(step: Step, queue: Queue): void {
  const entry = firstFit(step, queue);
  if (entry) publish(step, entry.channel, { kind: "first", leaseNumber: numberOf(entry.leaseId) });
}

/**
 * Grants the key to those who wait, in their order, until it comes to the asker, to one who must wait on, or to nobody.
 * Who comes after that one is not looked at: so nobody is passed, and neither a writer nor a wish for many permits
 * starves. Returns what holds the key now and whether it ended before another than the asker. Not while recovering.
 */
export function grantNext(
  step: Step,
  before: Held | undefined,
  queue: Queue,
  askerId?: string,
  unfit?: Waiter[],
): { held: Held | undefined; isFirst: boolean } {
  let held = before;
  for (let i = 0; i < GRANTS_A_CALL; i++) {
    if (queue.entries.length === 0 || (held?.mode === "exclusive" && askerId === undefined)) {
      return { held, isFirst: true };
    }
    const entry = firstFit(step, queue, askerId, unfit);
    if (!entry || entry.leaseId === askerId) return { held, isFirst: true };
    if (!isCompatible(held, entry)) return { held, isFirst: false };
    const granted = grant(step, queue.key, held, entry);
    held = granted.held;
    dropEntry(step, queue, entry);
    tellGranted(step, entry, granted);
  }
  return { held, isFirst: false };
}
