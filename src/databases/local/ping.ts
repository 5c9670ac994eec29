import type { PingAnswer, PingRequest } from "../database.js";
import { condemned, pingAnswer } from "./begin.js";
import { FORMAT, type Life } from "./records.js";
import { hasMissedEra, isDoubted, KEEP_SESSION_MS, type Step } from "./step.js";

/** The reference for the clocks is renewed after so long, since clocks drift, ms. */
const REFERENCE_MS = 10_000;

/**
 * A session's sign of life. It never creates a row: an absent one is a condemned one. As ping.lua: nobody may condemn
 * between the look at the row and the note that it lives.
 */
export function ping(step: Step, request: PingRequest & { monoMs: number }): PingAnswer {
  const { records, nowMs } = step;
  const { sessionId, era, monoMs } = request;
  step.raiseRecovery(request.recoveryMs);
  // Leases may have run out before their time, in an open window as well: grant nothing until the living have said what
  // they hold
  if (request.clockStepped && step.ns.era === era) step.beginEra();
  const { ns } = step;
  const row = records.get("session", sessionId);
  const lostCounter = row?.life?.lost ?? 0;
  if (row?.dead) return pingAnswer(step, "condemned", { lostCounter, openInMs: 0 });
  if (row?.life?.era !== ns.era) {
    const mayEnter = step.isRecovering && !hasMissedEra(step, row?.life);
    if (!mayEnter && row) records.put("session", sessionId, "", { ...row, dead: "era" }, nowMs + KEEP_SESSION_MS);
    return pingAnswer(step, mayEnter ? "reenter" : "condemned", { lostCounter, openInMs: 0 });
  }
  const life = { ...row.life, ...steadiness(row.life, nowMs, monoMs), eraNumber: ns.eraNumber, lastMs: nowMs };
  const keep = () => records.put("session", sessionId, "", { v: FORMAT, life }, nowMs + KEEP_SESSION_MS);
  keep();
  let openInMs = 0;
  if (step.isRecovering) {
    openInMs = Math.max(0, ns.recoveryMs - (nowMs - life.steadySinceMs));
    // Else the clock may have run ahead, and only the next ping can tell.
    if (openInMs === 0 && life.ahead === 0) step.closeWindow();
  }
  if (isDoubted(step, life)) return condemned(step, sessionId);
  if (!step.isRecovering && life.isProvisional) {
    life.isProvisional = false;
    keep();
  }
  const status = step.isRecovering && life.isProvisional ? "recovering" : "alive";
  return pingAnswer(step, status, { lostCounter, openInMs });
}

/**
 * No gap over two intervals, none negative, and the store's clock in step with the sender's. A late ping looks like a
 * clock that ran ahead, so one such ping is only counted; the second in a row is a step.
 */
function steadiness(life: Life, nowMs: number, monoMs: number) {
  const { steadySinceMs, offsetMs, offsetAtMs, driftMs, pingIntervalMs } = life;
  const gapMs = nowMs - life.lastMs;
  const offset = nowMs - monoMs;
  const ahead = offset > offsetMs + driftMs ? life.ahead + 1 : 0;
  if (gapMs < 0 || gapMs > 2 * pingIntervalMs || offset < offsetMs - driftMs || ahead >= 2) {
    return { steadySinceMs: nowMs, offsetMs: offset, offsetAtMs: nowMs, ahead: 0 };
  }
  // The least delayed ping is the best reference.
  if (ahead === 0 && (offset < offsetMs || nowMs - offsetAtMs > REFERENCE_MS)) {
    return { steadySinceMs, offsetMs: offset, offsetAtMs: nowMs, ahead };
  }
  return { steadySinceMs, offsetMs, offsetAtMs, ahead };
}
