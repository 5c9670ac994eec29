import type { CondemnAnswer, CondemnReason, CondemnRequest, Identity } from "../database.js";
import { countDoors, publish } from "./doors.js";
import { sessionChannel } from "./records.js";
import { KEEP_SESSION_MS, overlookedMs, steadyFor, type Step } from "./step.js";

/**
 * Declare a session dead, once and for all, when its silence is proven by the limits in its own row. As condemn.lua: a
 * ping that came in since the contender looked must win.
 */
export function condemn(step: Step, contender: Identity, request: CondemnRequest & { monoMs: number }): CondemnAnswer {
  const { records, ns, nowMs } = step;
  const { sessionId, tombstoneMs } = request;
  step.raiseRecovery(contender.recoveryMs);
  if (step.isRecovering || ns.era !== contender.era) return { status: "era" };
  const row = records.get("session", sessionId);
  if (row?.dead) return { status: "condemned", reason: "already" };
  if (!row?.life) return { status: "condemned", reason: "gone" };
  const life = { ...row.life };
  // Its era's window has closed: it may not come back, and nothing it held counts.
  if (life.era === ns.era && life.lastMs > nowMs) {
    life.lastMs = nowMs; // the store's clock went back: silence counts from now
    records.put("session", sessionId, "", { ...row, life }, nowMs + KEEP_SESSION_MS);
  }
  const reason = life.era === ns.era ? reasonFor() : "era";
  if (!reason) return { status: "alive" };
  records.put("session", sessionId, "", { ...row, life, dead: reason }, nowMs + tombstoneMs);
  publish(step, sessionChannel(sessionId), { kind: "hint" });
  return { status: "condemned", reason };

  function reasonFor(): CondemnReason | undefined {
    const isGone = life.listens && countDoors(step, sessionChannel(sessionId)) === 0;
    if (request.proof && (isGone || !life.listens)) return "proof";
    const { steadyMs, driftMs } = steadyFor(step, contender.sessionId, request.monoMs);
    const provenMs = Math.min(nowMs - life.lastMs, steadyMs) - overlookedMs(driftMs, life.driftMs);
    if (provenMs >= life.sessionTtlMs) return "silent";
    const hasOwnBreak = request.brokenAgoMs < request.contenderSessionTtlMs;
    return isGone && !hasOwnBreak && provenMs >= life.disconnectGraceMs ? "disconnected" : undefined;
  }
}
