import type { Identity, SessionRecord, SessionSnapshot } from "../database.js";
import { countDoors } from "./doors.js";
import { sessionChannel } from "./records.js";
import { overlookedMs, steadyFor, type Step } from "./step.js";

const NO_PROOFS = { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" };
const NOBODY = { sessionTtlMs: 0, disconnectGraceMs: 0, host: "", pid: 0, labels: {}, proofs: NO_PROOFS };

/** What a contender needs to know of a holder's session, and of its own, at one instant of the store. */
export function readSession(step: Step, sessionId: string, contender: Identity, monoMs: number): SessionSnapshot {
  const { records, nowMs } = step;
  const row = records.get("session", sessionId);
  const { life } = row ?? {};
  const { steadyMs, driftMs } = steadyFor(step, contender.sessionId, monoMs);
  const { sessionTtlMs, disconnectGraceMs, host, pid, labels, proofs } = life ?? NOBODY;
  const session: SessionRecord = {
    ...{ sessionId, sessionTtlMs, disconnectGraceMs, host, pid, labels, proofs },
    state: row?.dead ? "condemned" : life ? "alive" : "absent",
    silentMs: life ? nowMs - life.lastMs : 0, // unknown of one that left or of a mere tombstone
    connectionGone: life?.listens ? countDoors(step, sessionChannel(sessionId)) === 0 : undefined,
  };
  // Absent: there is nothing to wait for.
  return { session, steadyMs, overlookedMs: overlookedMs(driftMs, life?.driftMs ?? driftMs), nowMs };
}
