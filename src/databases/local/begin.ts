import type { BeginRequest, PingAnswer } from "../database.js";
import { clearDeadDoors } from "./doors.js";
import { FORMAT, type Life } from "./records.js";
import { hasMissedEra, KEEP_SESSION_MS, type Step } from "./step.js";

/**
 * Write a session's row: a new session, or one that enters a new era again while its recovery window is open. As
 * begin.lua: whether the window is open and whether the session was condemned must not change before it is written.
 */
export function begin(step: Step, request: BeginRequest & { monoMs: number; listens: boolean }): PingAnswer {
  const { records, nowMs } = step;
  const { sessionId, mode, monoMs, era, recoveryMs, ...told } = request;
  step.raiseRecovery(recoveryMs);
  const { ns } = step;
  clearDeadDoors(step);
  const old = records.get("session", sessionId);
  const keep = (life: Life) => {
    records.put("session", sessionId, "", { v: FORMAT, life }, nowMs + KEEP_SESSION_MS);
  };
  if (old?.dead || hasMissedEra(step, old?.life)) return pingAnswer(step, "condemned");
  if (old?.life?.era === ns.era) {
    // Asked again, since the first answer was lost. It counts as a ping, and what lies between them as a gap.
    keep({ ...old.life, lastMs: nowMs, steadySinceMs: nowMs });
    return pingAnswer(step, step.isRecovering && old.life.isProvisional ? "recovering" : "alive");
  }
  if (mode !== "new" && (ns.era !== era || !step.isRecovering)) {
    return pingAnswer(step, step.isRecovering ? "reenter" : "condemned");
  }
  const isProvisional = mode === "provisional";
  const clocks = { lastMs: nowMs, steadySinceMs: nowMs, offsetMs: nowMs - monoMs, offsetAtMs: nowMs, ahead: 0 };
  keep({ ...told, ...clocks, era: ns.era, eraNumber: ns.eraNumber, lost: 0, isProvisional });
  return pingAnswer(step, isProvisional ? "recovering" : "alive");
}

/** What begin and ping answer. */
export function pingAnswer(
  { ns, nowMs, isRecovering }: Step,
  status: PingAnswer["status"],
  { lostCounter = 0, openInMs = ns.recoveryMs }: Partial<PingAnswer> = {},
): PingAnswer {
  const { era, recoveryMs } = ns;
  return { status, era, recovering: isRecovering, nowMs, lostCounter, recoveryMs, openInMs };
}
