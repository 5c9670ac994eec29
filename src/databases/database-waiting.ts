import type { LeaseRecord } from "./database.js";

/**
 * The part of the seam that is about asking for keys and waiting for them: what a key can be held as, what a waiter
 * asks and is told, and what one task can learn of another.
 */

/**
 * Shared leases that overlap carry one token; permits carry none (0). A key that somebody holds, or waits for, in
 * permits is refused in any other mode and with any other limit.
 */
export type LeaseMode = "exclusive" | "shared" | "permits";
export type Permits = { limit: number; take: number };

export type AcquireRequest = {
  key: string;
  leaseNumber: number;
  lockTtlMs: number;
  trace: string;
  /** Default: exclusive. */
  mode?: LeaseMode | undefined;
  /** For the mode "permits". */
  permits?: Permits | undefined;
  /** How many tokens in a row it would like, for leases handed on within this process. Default 1; exclusive alone. */
  tokens?: number | undefined;
  /** Take the key from these condemned or revoked holders, if they still hold it under these tokens. */
  replace?: readonly Replaced[] | undefined;
  /** Queue for it when it is held. */
  wait?: WaitRequest | undefined;
};

/**
 * A lease to be taken, as its contender found it. `markedAtMs`: its holder may live, but the lease was revoked by
 * force, with that very mark, and its holder has had its time.
 */
export type Replaced = { sessionId: string; fencingToken: number; markedAtMs?: number };

export type WaitRequest = {
  /** For how long it counts as one that may be granted the key, unless it asks again, ms. */
  fitForMs: number;
  /** Waiters that were found dead: their places are given up. */
  dead: readonly Waiter[];
};

/** One who queues: the id of the lease it would have, and its session. */
export type Waiter = { leaseId: string; sessionId: string };

export type AcquireAnswer =
  /** `lastToken`: the end of the block that begins with the token. */
  | { status: "granted"; fencingToken: number; lastToken: number; acquiredAtMs: number }
  /** `holders`: all, one lease of each session; of more than 8 sessions 8, and others each time. */
  | { status: "held"; holders: readonly LeaseRecord[] }
  /**
   * `isFirst`: nobody before it can be granted the key just now; `unfit`: some of those who cannot. `ticket`: the
   * store's µs when it queued.
   */
  | { status: "queued"; holders: readonly LeaseRecord[]; isFirst: boolean; unfit: readonly Waiter[]; ticket: number }
  | { status: "recovering" }
  /**
   * `holders`: of a LockModeError, whoever holds the key in the other mode or under the other limit, told as with
   * "held". It stands only if one of them lives: the dead are named in `replace`, and it is asked for again.
   */
  | { status: "error"; error: Error; holders?: readonly LeaseRecord[] };

/** What a locker's main thread is told without having asked. A hint each: what it says can be found by asking. */
export type StorePush =
  | ({ kind: "granted" } & GrantPush)
  /** Nobody who can be granted the key stands before the waiter of that number any more. */
  | { kind: "first"; leaseNumber: number }
  /** Somebody wants the key: the job is to end. */
  | { kind: "revoked"; leaseNumber: number; fencingToken: number }
  /** The wait of that number closes a cycle. */
  | { kind: "deadlock"; leaseNumber: number };

/** What a waiter is told. */
export type WaiterPush = Extract<StorePush, { kind: "granted" | "first" }>;

/** A waiter is granted the key the instant it becomes free. */
export type GrantPush = {
  leaseNumber: number;
  fencingToken: number;
  lastToken: number;
  acquiredAtMs: number;
  era: string;
  sessionId: string;
};

/** One holder, as readHolders found it. */
export type RevokeRequest = {
  key: string;
  sessionId: string;
  leaseNumber: number;
  fencingToken: number;
  force: boolean;
};

export type RevokeAnswer =
  /** The holder was told, if it listens; its lease stays until it is given back. */
  | { status: "asked"; isHeard: boolean }
  /** It holds no longer, and may be replaced once the asker was steady for `steadyMs` since `markedAtMs`. */
  | { status: "marked"; markedAtMs: number; steadyMs: number }
  /** It does not hold that lease. */
  | { status: "absent" }
  | { status: "condemned" | "era" | "generation" }
  | { status: "error"; error: Error };

/** A task that holds leases waits for a key, under the lease id `waiter`; `waits` undefined: it does no longer. */
export type BlockedRequest = { leaseIds: readonly string[]; waits: BlockedNote | undefined };
export type BlockedNote = { key: string; waiter: string; ticket: number };

/** `isQueued`: the wait stands in the key's queue under that ticket. */
export type WaitingTask = {
  key: string;
  waiter: string;
  ticket: number;
  isQueued: boolean;
  holders: readonly LeaseRecord[];
};
