// The limits that the processes of a schedule run with: scaled down, so that a schedule shows in seconds what takes a
// minute with the defaults, and sometimes mixed, as during a deploy.

import type { LockerOptions, RedisDatabaseSettings } from "../../src/index.js";
import { recoveryMsMin } from "../../src/trust.js";

export type MemberLimits = Required<
  Pick<LockerOptions, "sessionTtlMs" | "pingIntervalMs" | "disconnectGraceMs" | "lockTtlMs" | "closeTimeoutMs">
> &
  Pick<LockerOptions, "acquireTimeoutMs" | "whenUnsure">;

export type Limits = {
  readonly locker: MemberLimits;
  readonly database: Required<Pick<RedisDatabaseSettings, "recoveryMs" | "commandTimeoutMs">>;
};

/** Longer than any schedule: nothing but a condemnation may give a dead one's key to somebody else. */
const lockTtlMs = 60_000;

const fast: Limits = {
  locker: {
    sessionTtlMs: 1_000,
    pingIntervalMs: 100,
    disconnectGraceMs: 500,
    lockTtlMs,
    acquireTimeoutMs: 4_000,
    closeTimeoutMs: 1_000,
  },
  database: { recoveryMs: 700, commandTimeoutMs: 1_000 },
};

/** What ran before the deploy: slower in everything, with a longer trust than the new fleet's whole grace. */
const old: Limits = {
  locker: {
    ...fast.locker,
    sessionTtlMs: 2_500,
    pingIntervalMs: 200,
    disconnectGraceMs: 1_200,
  },
  database: { recoveryMs: 1_500, commandTimeoutMs: 1_500 },
};

/** Little room between the limits, and holders that rather give up than wait. */
const hasty: Limits = {
  locker: { ...fast.locker, sessionTtlMs: 600, pingIntervalMs: 60, disconnectGraceMs: 400, whenUnsure: "abort" },
  database: { recoveryMs: 500, commandTimeoutMs: 500 },
};

const fleets = {
  fast: [fast],
  mixed: [old, fast],
  hasty: [hasty, fast],
} as const satisfies Record<string, readonly Limits[]>;

export type FleetName = keyof typeof fleets;
export const fleetNames = Object.keys(fleets) as FleetName[];

/** Of the process with that index, from 0. */
export function limitsOf(fleet: FleetName, index: number): Limits {
  const members: readonly Limits[] = fleets[fleet];
  return members[index % members.length]!;
}

/** The slowest of the fleet: by these, everything must have come right again after the faults. */
export function slowestLimits(fleet: FleetName): Limits {
  const members: readonly Limits[] = fleets[fleet];
  return members.reduce((slowest, limits) => (needs(limits) > needs(slowest) ? limits : slowest));
}

function needs({ locker }: Limits): number {
  return recoveryMsMin(locker.disconnectGraceMs, locker.pingIntervalMs) + locker.sessionTtlMs;
}
