import type { CondemnReason, HostProofs } from "../database.js";
import type { LeaseMode, StorePush } from "../database-waiting.js";

/**
 * What a store on one host keeps, and how the rules reach it. A row is never changed in place: what changes is put
 * anew, so that a backend may hand out what it remembers.
 */

/** The format of rows that we write. */
export const FORMAT = 1;

export type NamespaceRow = {
  v: number;
  /** Which start of the host, and which file (or memory), this was written in. */
  boot: string;
  file: string;
  /** In which the host's clock was read: in another one it says something else. */
  timeNamespace: string;
  era: string;
  state: "recovering" | "open";
  /** The last token, but for those that the clock had passed when they were given. */
  fence: number;
  /** No token above it was given without being written. An older build writes none. */
  reserve?: number;
  recoveryMs: number;
  eraNumber: number;
  /** Of the last era whose window has closed. */
  openedNumber: number;
  /** What the store's clock is ahead of the host's, µs. */
  clockOffsetUs: number;
};

/** What a living session is judged by: see SessionRecord. Times by the store's clock, ms. */
export type Life = {
  era: string;
  eraNumber: number;
  lastMs: number;
  steadySinceMs: number;
  /** What the store's clock was ahead of its own, the least of late: the reference for a clock that steps. */
  offsetMs: number;
  offsetAtMs: number;
  /** So many pings in a row were beyond the drift. */
  ahead: number;
  /** How often a lease was taken from it while it lives. */
  lost: number;
  isProvisional: boolean;
  sessionTtlMs: number;
  disconnectGraceMs: number;
  pingIntervalMs: number;
  driftMs: number;
  listens: boolean;
  host: string;
  pid: number;
  labels: Record<string, string>;
  proofs: HostProofs;
};

/** Without a life it is a mere tombstone. */
export type SessionRow = { v: number; dead?: CondemnReason; life?: Life };

/** One lease of a key, by its id. Those that hold a key together agree in mode, token, limit and era. */
export type LeaseRow = {
  v: number;
  mode: LeaseMode;
  state: "held" | "kept" | "revoked";
  sessionId: string;
  token: number;
  atMs: number;
  era: string;
  units: number;
  /** Of permits; else 0. */
  limit: number;
  /** Since when it is revoked by force, and for how long whoever takes it must have been steady since. */
  markedMs: number;
  steadyMs: number;
  trace: string;
};

/** One that queues for a key, by the id of the lease it would have. */
export type WaiterRow = {
  v: number;
  /** Its place: they are served in this order. */
  place: number;
  mode: LeaseMode;
  sessionId: string;
  lockTtlMs: number;
  era: string;
  fitUntilMs: number;
  ticket: number;
  units: number;
  limit: number;
  tokens: number;
  /** Where its main thread hears, or "" when it cannot be told. */
  channel: string;
  trace: string;
};

/** What the task that holds a lease waits for. */
export type BlockedRow = { ticket: number; waiter: string; key: string };

/** A connection that listens to a channel, by its id; and the process it lives in. */
export type DoorRow = { pid: number; proofs: HostProofs };

/** What a connection is to be told: for a main thread what its seam says, for a worker only a hint to ask. */
export type PushRow = StorePush | { kind: "hint" };

export type Tables = {
  namespace: NamespaceRow;
  session: SessionRow;
  lease: LeaseRow;
  waiter: WaiterRow;
  blocked: BlockedRow;
  door: DoorRow;
  push: PushRow;
};
export type Kind = keyof Tables;

/** A row under its two names; after `untilMs`, by the store's clock, it may be cleared away. */
export type Entry<Row> = { readonly key: string; readonly sub: string; readonly row: Row; readonly untilMs: number };

/** The small store that the rules are written against: rows of a kind under a key, each by a name of its own. */
export interface Records {
  get<K extends Kind>(kind: K, key: string, sub?: string): Tables[K] | undefined;
  /** Those under one key, ordered by their names. */
  scan<K extends Kind>(kind: K, key: string): readonly Entry<Tables[K]>[];
  /** Those under any key: for what is rare. */
  scanAll<K extends Kind>(kind: K): readonly Entry<Tables[K]>[];
  put<K extends Kind>(kind: K, key: string, sub: string, row: Tables[K], untilMs: number): void;
  delete(kind: Kind, key: string, sub?: string): void;
  /** Whether there is any of that kind. */
  hasAny(kind: Kind): boolean;
  /** Clears away what nobody needs any more. */
  clear(nowMs: number): void;
}

/** Where a session's worker listens. */
export const sessionChannel = (sessionId: string): string => `c:${sessionId}`;
/** Where a locker's main thread hears what it did not ask for. */
export const grantsChannel = (lockerId: string): string => `g:${lockerId}`;

export const leaseIdOf = (lockerId: string, leaseNumber: number): string => `${lockerId}#${leaseNumber}`;
/** The number at a lease id's end. */
export const numberOf = (leaseId: string): number => Number(leaseId.slice(leaseId.lastIndexOf("#") + 1));
/** The locker whose session, or whose lease, that is. */
export const lockerOf = (id: string): string => id.slice(0, Math.max(id.lastIndexOf("."), id.lastIndexOf("#")));
