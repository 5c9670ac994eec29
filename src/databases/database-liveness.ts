import type { HostProofs } from "./database.js";

/** The part of the seam that is the worker thread's: a session's record, its pings, and the connection they go by. */

export type LivenessEvents = {
  /** Something concerns this session: only a hint to ask. */
  onPush(): void;
  onClose(cause: Error): void;
};

export type BeginRequest = {
  sessionId: string;
  mode: "new" | "trusted" | "provisional";
  /** The era to enter again; empty for "new". */
  era: string;
  recoveryMs: number;
  /** What the record tells peers: see SessionRecord. */
  sessionTtlMs: number;
  disconnectGraceMs: number;
  pingIntervalMs: number;
  /** How far the store's clock may drift from ours before this session no longer counts as steady, ms. */
  driftMs: number;
  host: string;
  pid: number;
  labels: Record<string, string>;
  proofs: HostProofs;
  /** Of one that enters again: what it knows of the time before. */
  lived?: Lived | undefined;
};

/** Until when, in which era, a session was surely not condemned. */
export type Lived = {
  era: string;
  eraNumber: number;
  /** When its last good ping was executed, by the store's clock of that era, ms. */
  servedMs: number;
  /** For how long such a ping is believed. */
  trustMs: number;
  /** No connection broke: its last pings were merely not answered. */
  isSilent: boolean;
};

export type PingRequest = { sessionId: string; era: string; recoveryMs: number; clockStepped: boolean };

export type PingAnswer = {
  status: "alive" | "recovering" | "reenter" | "condemned";
  era: string;
  recovering: boolean;
  /** The store's clock, ms. */
  nowMs: number;
  /** Grows when a lease was taken from this session while it lives. */
  lostCounter: number;
  recoveryMs: number;
  /** While recovering: how long until this session may close the window, ms. */
  openInMs: number;
  /** Eras are numbered: a later one has a larger number. */
  eraNumber: number;
  /** Of "reenter": the store itself knows that nobody was served for so long after this session as to condemn it. */
  isVouched?: boolean;
};

/** One connection of the worker thread. It is not mended: when it closes, the next one is opened. */
export interface LivenessConnection {
  /** Resolves once usable; rejects with a StoreError when it never came to that. */
  readonly ready: Promise<void>;
  /**
   * Listens to the session's channel, by which peers also see whether this connection is there. False: not permitted.
   */
  listen(sessionId: string): Promise<boolean>;
  begin(request: BeginRequest): Promise<PingAnswer>;
  ping(request: PingRequest): Promise<PingAnswer>;
  goodbye(sessionId: string): Promise<void>;
  close(): void;
}
