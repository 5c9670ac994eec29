import type { BatchAnswer, Identity, ReleaseAnswer, ReleaseRequest } from "../database.js";
import { counts, findLease, putLease, readHeld, removeLease, toRecord, type Held, type HeldLease } from "./holders.js";
import { dropEntry, dropStale, findEntry, grantNext, openQueue, tellFirst, tellGrants, type Queue } from "./queue.js";
import { leaseIdOf } from "./records.js";
import type { Step } from "./step.js";

/**
 * Give leases back, withdraw what may have been granted, leave queues: one word for all, as an asker that goes cannot
 * know which of them it is. Only the lease and the entry of that number. As release.lua: nobody may come between it and
 * the first that waits: who is granted the key here has it before anybody else can ask.
 */
export function release(step: Step, identity: Identity, batch: readonly ReleaseRequest[]): BatchAnswer<ReleaseAnswer> {
  step.raiseRecovery(identity.recoveryMs);
  const answers = batch.map((request) => releaseOne(step, leaseIdOf(identity.lockerId, request.leaseNumber), request));
  step.saveFence();
  tellGrants(step);
  return { status: "ok", answers };
}

function releaseOne(step: Step, leaseId: string, { key, keepMs = 0 }: ReleaseRequest): ReleaseAnswer {
  const queue = openQueue(step, key);
  const hadQueue = queue.entries.length > 0;
  const entry = findEntry(queue, leaseId);
  if (entry) dropEntry(step, queue, entry);
  let held = readHeld(step, key);
  const lease = findLease(held, leaseId);
  if (lease) held = giveBack(step, held!, lease, keepMs);
  if (hadQueue && !step.isRecovering) handOn(step, held, queue);
  const [holder] = held?.leases ?? [];
  if (!lease && holder?.mode === "exclusive") return { status: "other", lease: toRecord(key, holder) };
  return { status: lease ? "released" : "absent" };
}

/** Also when a waiter merely leaves: behind a writer that gives up stand readers. */
function handOn(step: Step, held: Held | undefined, queue: Queue): void {
  grantNext(step, held && counts(held, step.ns.era) ? held : undefined, queue);
  tellFirst(step, queue);
  dropStale(step, queue);
}

/** Returns what holds the key then. */
function giveBack(step: Step, held: Held, lease: HeldLease, keepMs: number): Held | undefined {
  if (lease.state === "kept") return held; // asked again
  const untilMs = Math.min(lease.atMs, step.nowMs) + keepMs; // its clock may have been set back since the grant
  if (keepMs > 0 && lease.state === "held" && untilMs > step.nowMs) {
    // Until its time is over since the grant the key stays taken, whoever ends meanwhile.
    return putLease(step, held.key, held, { ...lease, state: "kept", untilMs });
  }
  return removeLease(step, held, lease.leaseId);
}
