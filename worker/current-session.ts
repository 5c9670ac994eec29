import type { BeginRequest, HostProofs } from "../src/databases/database.js";
import type { LivenessLimits, SessionCause, SessionState } from "../src/liveness-protocol.js";
import { driftMs } from "../src/trust.js";

/** The session a Pinger is about: what the main thread is told of it, and what comes next. */
export type CurrentSession = SessionState & {
  /** What the next exchange is: write the record, enter a new era, or ping. */
  stage: "new" | "reenter" | "begun";
  mode: BeginRequest["mode"];
  enterEra: string;
  cause: SessionCause;
};

/** The next session of this locker: an id is used once. */
export function nextSession(
  lockerId: string,
  last: { sessionsUsed: number; recoveryMs: number },
  cause: SessionCause,
): CurrentSession {
  const sessionsUsed = last.sessionsUsed + 1;
  const sessionId = `${lockerId}.${sessionsUsed.toString(36)}`;
  const state = { sessionId, sessionsUsed, era: "", lostCounter: 0, recoveryMs: last.recoveryMs, recovering: false };
  return { ...state, stage: "new", mode: "new", enterEra: "", cause };
}

/**
 * The session that an earlier run of the worker left behind. Whether it re-entered provisionally died with that run:
 * in the window it counts as if it had, so that the window's end raises the epoch before it brings trust.
 */
export function resumedSession(state: SessionState): CurrentSession {
  const mode = state.recovering ? "provisional" : "trusted";
  return { ...state, stage: "begun", mode, enterEra: "", cause: "resumed" };
}

export function stateOf(session: CurrentSession): SessionState {
  const { sessionId, sessionsUsed, era, lostCounter, recoveryMs, recovering } = session;
  return { sessionId, sessionsUsed, era, lostCounter, recoveryMs, recovering };
}

/** What peers are told of a session, in its record. */
export function beginRequest(
  { sessionId, mode, enterEra, recoveryMs }: CurrentSession,
  facts: { limits: LivenessLimits; labels: Record<string, string>; host: string; pid: number; proofs: HostProofs },
): BeginRequest {
  const { limits, labels, host, pid, proofs } = facts;
  const { sessionTtlMs, disconnectGraceMs, pingIntervalMs } = limits;
  const told = { sessionTtlMs, disconnectGraceMs, pingIntervalMs, driftMs: driftMs(disconnectGraceMs) };
  return { sessionId, mode, era: enterEra, recoveryMs, ...told, host, pid, labels, proofs };
}
