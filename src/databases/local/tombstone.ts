import type { Identity } from "../database.js";
import { FORMAT } from "./records.js";
import type { Step } from "./step.js";

/**
 * The store lost its memory: write again that these sessions were condemned, before one of them comes back to life.
 * Only while the window of that era is open; later nobody can come back anyhow.
 */
export function tombstone(step: Step, contender: Identity, sessionIds: readonly string[], keepMs: number): void {
  const { records, ns, nowMs } = step;
  step.raiseRecovery(contender.recoveryMs);
  if (ns.era !== contender.era || !step.isRecovering) return;
  for (const sessionId of sessionIds) {
    const row = { ...records.get("session", sessionId), v: FORMAT, dead: "already" as const };
    records.put("session", sessionId, "", row, nowMs + keepMs);
  }
}
