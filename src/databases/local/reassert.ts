import type { BatchAnswer, Identity, LeaseAnswer, ReassertRequest } from "../database.js";
import * as holders from "./holders.js";
import type { Held, Wish } from "./holders.js";
import { leaseIdOf } from "./records.js";
import { refusal, type Step } from "./step.js";

/**
 * The store lost its memory: the living say again what they hold, with the tokens they hold it under. As reassert.lua:
 * only while the window is open, for after it a key without a lease is free. Of two that claim one key the larger token
 * was granted later, so it is the one that holds.
 */
export function reassert(step: Step, identity: Identity, batch: readonly ReassertRequest[]): BatchAnswer<LeaseAnswer> {
  step.raiseRecovery(identity.recoveryMs);
  const refused = refusal(step, identity);
  if (refused) return { status: refused };
  const answers = batch.map((request) => reassertOne(step, identity, request));
  step.saveFence();
  return { status: "ok", answers };
}

function reassertOne(step: Step, identity: Identity, request: ReassertRequest): LeaseAnswer {
  const { key, fencingToken, lockTtlMs, lastToken } = request;
  const { ns, nowMs } = step;
  const leaseId = leaseIdOf(identity.lockerId, request.leaseNumber);
  const held = holders.readHeld(step, key);
  const isCurrent = held?.era === ns.era;
  const own = isCurrent ? holders.findLease(held, leaseId) : undefined;
  const untilMs = nowMs + lockTtlMs;
  if (own?.state === "held" && own.token === fencingToken && own.sessionId === identity.sessionId) {
    holders.putLease(step, key, held, { ...own, untilMs });
    return { status: "held" };
  }
  const wish = holders.wishOf(leaseId, request);
  const joins = isCurrent && canJoin(held, { ...wish, token: fencingToken });
  const mayClaim = isLatest(held, fencingToken, isCurrent) || joins;
  if (!step.isRecovering || !mayClaim) {
    return { status: "lost", lease: isCurrent ? holders.takenBy(held) : undefined };
  }
  const { acquiredAtMs: atMs, trace } = request;
  const facts = { leaseId, sessionId: identity.sessionId, token: fencingToken, atMs, era: ns.era, trace };
  const lease = holders.freshLease({ ...facts, mode: wish.mode, units: wish.units, limit: wish.limit }, untilMs);
  if (joins) holders.putLease(step, key, held, lease);
  else holders.beginHolding(step, key, lease);
  step.fence = Math.max(step.fence, lastToken);
  return { status: "held" };
}

/**
 * Whether a claim is not older than what the key is held by. What is of an older era holds nothing any more, but a
 * larger token in it shows that somebody had the key since.
 */
function isLatest(held: Held | undefined, token: number, isCurrent: boolean): boolean {
  const known = held?.token ?? -1;
  return known < token || (known === token && !isCurrent);
}

/** Those who held it together may all come back; more permits than there are cannot have been given out. */
function canJoin(held: Held, wish: Wish & { token: number }): boolean {
  const isSame = held.mode === wish.mode && held.token === wish.token && held.limit === wish.limit;
  return isSame && holders.isCompatible(held, wish);
}
