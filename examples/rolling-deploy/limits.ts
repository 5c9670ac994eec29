// The bounds that the demonstration holds the package to (L1 to L3 of the design), in ms.

/** Pause between two steps of a job. Also how late a frozen job may notice, at worst, that it has lost its lease. */
export const STEP_MS = 30;

export type Limits = {
  /** SIGTERM until a peer runs the job: one step of the job, the release, and the peer's next attempt. */
  drainMs: number;
  /** SIGKILL until a peer runs the job. The victim's sockets are closed by the kernel. */
  killMs: number;
  /** SIGSTOP until a peer runs the job: the session's TTL and one second. */
  freezeMs: number;
  /** SIGCONT until the old holder has stopped: 50 ms, and one step because it asks only between steps. */
  knowsMs: number;
};

export const SESSION_TTL_MS = 10_000;
export const BLOCKED_LOOP_MS = 15_000;

export const LIMITS: Limits = {
  drainMs: 1_000,
  killMs: 2_000,
  freezeMs: SESSION_TTL_MS + 1_000,
  knowsMs: 50 + STEP_MS,
};
