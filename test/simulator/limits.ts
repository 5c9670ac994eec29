// How long everything lasts in the simulated worlds, ms.

import type { Limits } from "./process.js";

/** A tenth of the defaults and less, so that a second of a world holds many pings, takeovers and windows. */
export const LIMITS: Limits = {
  lockTtlMs: 6_000,
  sessionTtlMs: 1_000,
  pingIntervalMs: 100,
  disconnectGraceMs: 500,
  acquireTimeoutMs: 3_000,
  closeTimeoutMs: 1_000,
  recoveryMs: 700,
  commandTimeoutMs: 400,
};

/** Others meet them in the same world, as old and new fleets do during a deploy. */
export const OTHER_LIMITS: Limits = {
  ...LIMITS,
  lockTtlMs: 3_000, // some blocks and outages last longer
  sessionTtlMs: 1_600,
  pingIntervalMs: 150,
  disconnectGraceMs: 800,
  recoveryMs: 1_150,
  commandTimeoutMs: 1_500,
};
