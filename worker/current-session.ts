import type { BeginRequest, HostProofs, PingAnswer } from "../src/databases/database.js";
import type { LivenessLimits, SessionCause, SessionState } from "../src/liveness-protocol.js";
import type { SharedCells } from "../src/shared-cells.js";
import { driftMs } from "../src/trust.js";

/** The session a Pinger is about: what the main thread is told of it, and what comes next. */
export type CurrentSession = SessionState & {
  /** What the next exchange is: write the record, enter a new era, or ping. */
  stage: "new" | "reenter" | "begun";
  mode: BeginRequest["mode"];
  enterEra: string;
  lived?: BeginRequest["lived"];
  cause: SessionCause;
  /** It lives in an era that this run of the worker has not entered, and the window is open. */
  isStray: boolean;
};

/** The next session of this locker: an id is used once, also when the run that used it died unheard. */
export function nextSession(
  lockerId: string,
  cells: SharedCells,
  recoveryMs: number,
  cause: SessionCause,
): CurrentSession {
  const sessionId = `${lockerId}.${cells.takeSessionNumber().toString(36)}`;
  const state = { sessionId, era: "", lostCounter: 0, recoveryMs, recovering: false };
  return { ...state, stage: "new", mode: "new", enterEra: "", cause, isStray: false };
}

/**
 * The session that an earlier run of the worker left behind. Whether it re-entered provisionally died with that run:
 * in the window it counts as if it had, so that the window's end raises the epoch before it brings trust.
 */
export function resumedSession(state: SessionState): CurrentSession {
  const mode = state.recovering ? "provisional" : "trusted";
  return { ...state, stage: "begun", mode, enterEra: "", cause: "resumed", isStray: false };
}

/** Notes in the session what an answer that finds it alive says. `isNews`: its leases have to be looked at again. */
export function hearAlive(
  session: CurrentSession,
  answer: PingAnswer,
): { isNews: boolean; windowClosed: boolean; mayTrust: boolean } {
  const windowClosed = session.recovering && !answer.recovering;
  const changed = session.stage !== "begun" || answer.era !== session.era;
  const settled = windowClosed && session.mode === "provisional" && !changed;
  const taken = !changed && answer.lostCounter !== session.lostCounter;
  const hasStrayed = changed && (session.stage === "begun" || session.mode === "provisional");
  if (changed && session.stage !== "new") session.cause = "reentered";
  if (settled) session.cause = "settled";
  if (taken) session.cause = "taken";
  const { era, lostCounter, recovering } = answer;
  Object.assign(session, { stage: "begun", era, lostCounter, recovering });
  // Alive in an era that this run has not entered: an earlier run did, or a begin that came very late. It may have been
  // condemned before the loss, so it waits for the end of the window like one that is there provisionally. So does one
  // that asked to enter provisionally and found that a late begin of its own had written its record as a trusted one.
  session.isStray = recovering && (hasStrayed || session.isStray);
  if (session.isStray || answer.status === "recovering") session.mode = "provisional";
  else if (windowClosed) session.mode = "trusted";
  const mayTrust = answer.status === "alive" && !session.isStray;
  return { isNews: changed || settled || taken, windowClosed, mayTrust };
}

export function stateOf(session: CurrentSession): SessionState {
  const { sessionId, era, lostCounter, recoveryMs, recovering } = session;
  return { sessionId, era, lostCounter, recoveryMs, recovering };
}

/** What peers are told of a session, in its record. */
export function beginRequest(
  { sessionId, mode, enterEra, recoveryMs, lived }: CurrentSession,
  facts: { limits: LivenessLimits; labels: Record<string, string>; host: string; pid: number; proofs: HostProofs },
): BeginRequest {
  const { limits, labels, host, pid, proofs } = facts;
  const { sessionTtlMs, disconnectGraceMs, pingIntervalMs } = limits;
  const told = { sessionTtlMs, disconnectGraceMs, pingIntervalMs, driftMs: driftMs(disconnectGraceMs) };
  return { sessionId, mode, era: enterEra, recoveryMs, ...told, host, pid, labels, proofs, lived };
}
