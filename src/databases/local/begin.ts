import type { BeginRequest, PingAnswer } from "../database.js";
import { clearDeadDoors } from "./doors.js";
import { FORMAT, type Life } from "./records.js";
import { hasMissedEra, isDoubted, KEEP_SESSION_MS, type Step } from "./step.js";

/**
 * Write a session's row: a new session, or one that enters a new era again while its recovery window is open. As
 * begin.lua: whether the window is open and whether the session was condemned must not change before it is written.
 */
export function begin(step: Step, request: BeginRequest & { monoMs: number; listens: boolean }): PingAnswer {
  const { records, nowMs } = step;
  const { sessionId, mode, monoMs, era, recoveryMs, lived, ...told } = request;
  step.raiseRecovery(recoveryMs);
  const { ns } = step;
  clearDeadDoors(step);
  const old = records.get("session", sessionId);
  const keep = (life: Life) => {
    records.put("session", sessionId, "", { v: FORMAT, life }, nowMs + KEEP_SESSION_MS);
  };
  const isHere = old?.life?.era === ns.era; // whatever number it had when this session entered it
  if (old?.dead || (!isHere && hasMissedEra(step, old?.life))) return pingAnswer(step, "condemned");
  if (old?.life?.era === ns.era) {
    // Asked again, since the first answer was lost. It counts as a ping, and what lies between them as a gap.
    const life = { ...old.life, lastMs: nowMs, steadySinceMs: nowMs };
    if (step.isRecovering && mode === "provisional" && !life.isProvisional) {
      Object.assign(life, { isProvisional: true, lived }); // its first begin came late, and made it anew
      bringLived(step, lived);
    }
    keep(life);
    if (isDoubted(step, life)) return condemned(step, sessionId);
    if (!step.isRecovering) keep({ ...life, isProvisional: false });
    return pingAnswer(step, step.isRecovering && life.isProvisional ? "recovering" : "alive");
  }
  if (mode !== "new" && (ns.era !== era || !step.isRecovering)) {
    return pingAnswer(step, step.isRecovering ? "reenter" : "condemned");
  }
  const isProvisional = mode === "provisional";
  const clocks = { lastMs: nowMs, steadySinceMs: nowMs, offsetMs: nowMs - monoMs, offsetAtMs: nowMs, ahead: 0 };
  bringLived(step, lived);
  keep({ ...told, ...clocks, era: ns.era, eraNumber: step.ns.eraNumber, lost: 0, isProvisional, lived });
  return pingAnswer(step, isProvisional ? "recovering" : "alive");
}

/** What it knows of the time before, for the judgement of all who enter. */
function bringLived(step: Step, lived: BeginRequest["lived"]): void {
  if (!lived) return;
  step.noteServed({ eraNumber: lived.eraNumber, atMs: lived.servedMs });
  step.raiseEraNumber(lived.eraNumber);
}

/** One that was there provisionally, and may have been condemned before the loss. */
export function condemned(step: Step, sessionId: string): PingAnswer {
  const row = step.records.get("session", sessionId);
  step.records.put("session", sessionId, "", { ...row!, dead: "era" }, step.nowMs + KEEP_SESSION_MS);
  return pingAnswer(step, "condemned", { openInMs: 0 });
}

/** What begin and ping answer. */
export function pingAnswer(
  { ns, nowMs, isRecovering }: Step,
  status: PingAnswer["status"],
  { lostCounter = 0, openInMs = ns.recoveryMs }: Partial<PingAnswer> = {},
): PingAnswer {
  const { era, eraNumber, recoveryMs } = ns;
  return { status, era, eraNumber, recovering: isRecovering, nowMs, lostCounter, recoveryMs, openInMs };
}
