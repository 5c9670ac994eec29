import type { BatchAnswer, Identity, LeaseAnswer, RenewRequest } from "../database.js";
import { findLease, putLease, readHeld, takenBy } from "./holders.js";
import { leaseIdOf } from "./records.js";
import { refusal, type Step } from "./step.js";

/** Is it still ours? And, for a lease whose job has beaten: keep it for another lock TTL. As renew.lua. */
export function renew(step: Step, identity: Identity, batch: readonly RenewRequest[]): BatchAnswer<LeaseAnswer> {
  return lookAtAll(step, identity, batch, true);
}

/**
 * Take the leases that nobody has taken from this locker's condemned session over to its new one. As reown.lua: on the
 * lease and its token, not on the session: it may have been re-owned by one that came in between.
 */
export function reown(step: Step, identity: Identity, batch: readonly RenewRequest[]): BatchAnswer<LeaseAnswer> {
  return lookAtAll(step, identity, batch, false);
}

function lookAtAll(
  step: Step,
  identity: Identity,
  batch: readonly RenewRequest[],
  isOwnSession: boolean,
): BatchAnswer<LeaseAnswer> {
  step.raiseRecovery(identity.recoveryMs);
  const refused = refusal(step, identity);
  if (refused) return { status: refused };
  const { sessionId, lockerId } = identity;
  const answers = batch.map(({ key, leaseNumber, fencingToken, lockTtlMs }): LeaseAnswer => {
    const all = readHeld(step, key);
    const held = all?.era === step.ns.era ? all : undefined;
    const lease = findLease(held, leaseIdOf(lockerId, leaseNumber));
    const isHeld = lease?.state === "held" && lease.token === fencingToken;
    if (!isHeld || (isOwnSession && lease.sessionId !== sessionId)) return { status: "lost", lease: takenBy(held) };
    if (lockTtlMs > 0) putLease(step, key, held, { ...lease, sessionId, untilMs: step.nowMs + lockTtlMs });
    return { status: "held" };
  });
  return { status: "ok", answers };
}
