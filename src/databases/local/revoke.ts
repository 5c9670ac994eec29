import type { Identity, RevokeAnswer, RevokeRequest } from "../database.js";
import { publish } from "./doors.js";
import { current, findLease, putLease, type Held, type HeldLease } from "./holders.js";
import { grantsChannel, leaseIdOf, lockerOf, sessionChannel } from "./records.js";
import { KEEP_SESSION_MS, overlookedMs, refusal, steadyFor, type Step } from "./step.js";

/** After that nobody has wanted it any more, and the key is free. */
const MARK_KEEP_MS = 60_000;

/**
 * Ask a holder to give its key back. By force: mark its lease, so that it no longer holds it, and raise the counter
 * that its next ping brings home; the key goes to nobody before the holder must have heard of it. As revoke.lua: mark
 * and counter are one, else the holder could hear of a mark that is not there yet and believe on.
 */
export function revoke(step: Step, identity: Identity, request: RevokeRequest, monoMs: number): RevokeAnswer {
  step.raiseRecovery(identity.recoveryMs);
  const refused = refusal(step, identity);
  if (refused) return { status: refused };
  const { key, sessionId, leaseNumber, fencingToken, force } = request;
  const holder = lockerOf(sessionId);
  const held = current(step, key);
  const lease = findLease(held, leaseIdOf(holder, leaseNumber));
  const isThat = lease?.sessionId === sessionId && lease.token === fencingToken && lease.state !== "kept";
  if (!held || !isThat) return { status: "absent" };
  const marked = force ? mark(step, held, lease, { contender: identity.sessionId, monoMs }) : undefined;
  const heard = publish(step, grantsChannel(holder), { kind: "revoked", leaseNumber, fencingToken });
  if (marked) return { status: "marked", markedAtMs: marked.markedMs, steadyMs: marked.steadyMs };
  return { status: "asked", isHeard: heard > 0 };
}

function mark(step: Step, held: Held, lease: HeldLease, asker: { contender: string; monoMs: number }): HeldLease {
  const { nowMs } = step;
  const neededMs = mustBeSteadyMs(step, lease.sessionId, asker);
  const isMarked = lease.state === "revoked"; // before, perhaps by one who overlooks less
  const steadyMs = isMarked ? Math.max(neededMs, lease.steadyMs) : neededMs;
  const markedMs = isMarked ? lease.markedMs : nowMs;
  const untilMs = nowMs + steadyMs + MARK_KEEP_MS;
  const marked: HeldLease = { ...lease, state: "revoked", markedMs, steadyMs, untilMs };
  putLease(step, held.key, held, marked);
  publish(step, sessionChannel(lease.sessionId), { kind: "hint" });
  return marked;
}

/**
 * The longest that its holder may believe in it without a ping, and how much more of a clock's step this session
 * overlooks than the holder does. Who is dead believes nothing.
 */
function mustBeSteadyMs(step: Step, sessionId: string, { contender, monoMs }: { contender: string; monoMs: number }) {
  const { records, nowMs } = step;
  const row = records.get("session", sessionId);
  if (!row?.life || row.dead) return 0;
  const life = { ...row.life, lost: row.life.lost + 1 };
  records.put("session", sessionId, "", { ...row, life }, nowMs + KEEP_SESSION_MS);
  return life.disconnectGraceMs + overlookedMs(steadyFor(step, contender, monoMs).driftMs, life.driftMs);
}
