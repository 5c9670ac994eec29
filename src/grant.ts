import type { Clock, Instant } from "./clock.js";
import type { LeaseMode, Permits } from "./databases/database.js";
import type { LockErrorCode } from "./errors.js";
import type { HeldLease } from "./held-lease.js";
import type { Stamp } from "./session.js";

/** Why nothing may go on in this process, once there is a reason. */
export type Drain = { reason: Error | undefined; signal: AbortSignal };

/** What a lease asks of those around it. */
export type LeaseDeps = {
  clock: Clock;
  /** Clock readings first, then trust, the epoch last: see shared-cells.ts. */
  isTrusted(monoMs: number, wallMs: number): boolean;
  readEpoch(): number;
  drain: Drain;
  renewSoon(lease: HeldLease): void;
  /** Resolves when something may have changed. */
  news(): Promise<void>;
  release(lease: HeldLease): unknown;
  whenUnsure: "wait" | "abort";
  lose(lease: HeldLease, code: LockErrorCode): void;
};

export type Grant = {
  key: string;
  leaseNumber: number;
  mode: LeaseMode;
  permits?: Permits | undefined;
  fencingToken: number;
  /** The token in the store's record, which tells the lease from others; the tokens up to the last one are ours. */
  recordToken: number;
  lastToken: number;
  acquiredAtMs: number;
  lockTtlMs: number;
  trace: string;
  /** How long the key stays taken after the grant when the job succeeds, ms. */
  minHoldMs: number;
  sessionId: string;
  era: string;
  epoch: number;
  /** When the last command was sent that it was found by. */
  sent: Instant;
  /** Who has it next in this process. */
  tenure?: Succession | undefined;
};

type Asked = Pick<Grant, "key" | "lockTtlMs" | "trace" | "mode" | "permits" | "minHoldMs">;
type Told = Pick<Grant, "fencingToken" | "lastToken" | "acquiredAtMs">;

/** In one literal: put together of spread parts it costs Node 20 some 5 µs more. */
export function makeGrant(
  { key, lockTtlMs, trace, mode, permits, minHoldMs }: Asked,
  { fencingToken, lastToken, acquiredAtMs }: Told,
  { leaseNumber, stamp, sent }: { leaseNumber: number; stamp: Stamp; sent: Instant },
): Grant {
  const { sessionId, era } = stamp.identity;
  return {
    key,
    leaseNumber,
    mode,
    permits,
    fencingToken,
    recordToken: fencingToken,
    lastToken,
    acquiredAtMs,
    lockTtlMs,
    trace,
    minHoldMs,
    sessionId,
    era,
    epoch: stamp.epoch,
    sent,
  };
}

/** Lets a lease pass on to the next of this process, without the store. */
export type Succession = {
  /** Undefined: the lease goes back to the store. */
  next(lease: HeldLease): Heir | undefined;
};

/** Of a lease: whether it was ours until its end. */
export type Ended = { heldToTheEnd: boolean };

export type Heir = { fencingToken: number; trace: string; receive(lease: HeldLease): void };
