import type { BlockedRequest, LeaseRecord, WaitingTask } from "../database.js";
import { publish } from "./doors.js";
import { readHeld, toRecord } from "./holders.js";
import { grantsChannel, lockerOf, numberOf } from "./records.js";
import type { Step } from "./step.js";

/** What is said and read of keys beside asking for them: as read-holders.lua, blocked.lua and tell.lua. */

/** For how long it is believed that a task waits, ms; its poll says so again. */
const BLOCKED_MS = 60_000;

/** All who hold a key, in any era. */
export function readHolders(step: Step, key: string): LeaseRecord[] {
  return (readHeld(step, key)?.leases ?? []).map((lease) => toRecord(key, lease));
}

/** Says of leases that their task waits for a key, for others that look for a circle of such waits; or that it ends. */
export function markBlocked({ records, nowMs }: Step, { leaseIds, waits }: BlockedRequest): void {
  for (const leaseId of leaseIds) {
    if (waits) records.put("blocked", leaseId, "", waits, nowMs + BLOCKED_MS);
    else records.delete("blocked", leaseId);
  }
}

/** What the task that holds this lease waits for, who holds that, and whether it stands in its queue. */
export function readWaiting(step: Step, leaseId: string): WaitingTask | undefined {
  const { records, nowMs } = step;
  const [entry] = records.scan("blocked", leaseId);
  if (!entry || entry.untilMs <= nowMs) return undefined;
  const { key, waiter, ticket } = entry.row;
  const isQueued = records.get("waiter", key, waiter)?.ticket === ticket;
  return { key, waiter, ticket, isQueued, holders: readHolders(step, key) };
}

/** Tells the locker whose wait that is that it closes a circle. */
export function tellDeadlock(step: Step, waiter: string): void {
  publish(step, grantsChannel(lockerOf(waiter)), { kind: "deadlock", leaseNumber: numberOf(waiter) });
}
