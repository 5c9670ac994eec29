import type { MessagePort } from "node:worker_threads";
import type { DatabaseDescription } from "./databases/database.js";
import type { StoreErrorCode } from "./errors.js";

/**
 * What the two threads say to each other over their message port. Types only; the memory they share is in
 * shared-cells.ts.
 */

/** What a run of the worker is started with, in whatever thread. */
export type WorkerTask = {
  cells: SharedArrayBuffer;
  database: DatabaseDescription;
  /** Which of the database's shards the session is of. */
  shard: number;
  limits: LivenessLimits;
  lockerId: string;
  labels: Record<string, string>;
  /** The session that an earlier run of the worker left behind, if it lives. */
  resume: SessionState | undefined;
  /** Leases that were lost while their job ran on, by number: what an earlier run of the worker was told. */
  lostJobs: readonly number[];
};

/** The same for the piscina task. */
export type LivenessTask = WorkerTask & { port: MessagePort };

export type LivenessLimits = {
  lockTtlMs: number;
  sessionTtlMs: number;
  pingIntervalMs: number;
  disconnectGraceMs: number;
  /** undefined: never kill the process. */
  killAfterMs: number | undefined;
};

export type SessionState = {
  sessionId: string;
  era: string;
  lostCounter: number;
  recoveryMs: number;
  recovering: boolean;
};

/** Why the epoch was raised. */
export type SessionCause =
  | "begun" // the first session
  | "resumed" // the worker was restarted under the same session
  | "condemned" // peers condemned the last one; this is the next
  | "lapsed" // the main thread stood still for lockTtlMs; the last session said goodbye
  | "reentered" // the store lost its memory; the same session entered the new era
  | "refused" // the store lost its memory and the session could not come back; this is the next
  | "settled" // the recovery window closed for a session that was there provisionally
  | "taken"; // a lease was taken from the living session

export type FromWorker =
  | { type: "session"; epoch: number; cause: SessionCause; session: SessionState }
  /** Trust has come back after it had lapsed, or the recovery window has closed: look again. */
  | { type: "trusted"; recovering: boolean; recoveryMs: number }
  | { type: "failure"; code: StoreErrorCode; message: string }
  /** Nothing fails, but something is worse than it could be. May come more than once. */
  | { type: "warning"; code: StoreErrorCode; message: string };

export type ToWorker =
  | { type: "stop"; goodbye: boolean; withinMs: number }
  /** An answer of the store hints at something the worker has not heard yet: ping now. */
  | { type: "hurry" }
  /**
   * A lease was lost while its job ran on, and later: that job has ended. For the kill that seppuku "kill" asks for.
   */
  | { type: "lost"; leaseNumber: number }
  | { type: "settled"; leaseNumber: number };
