import type { Clock } from "../clock.js";
import type { LivenessConnection, LivenessEvents } from "./database-liveness.js";
import type {
  AcquireAnswer,
  AcquireRequest,
  BlockedNote,
  BlockedRequest,
  LeaseMode,
  Permits,
  RevokeAnswer,
  RevokeRequest,
  StorePush,
  WaitingTask,
} from "./database-waiting.js";

export type * from "./database-liveness.js";
export type * from "./database-waiting.js";

/**
 * The seam between the locker and a store: interfaces and records, no code. A backend offers two doors, one for each
 * thread. The main thread's deals with leases, the worker's with the session; neither ever does the other's work.
 */
export interface Database {
  /** Opens the main thread's connection. Returns at once; the connection is made, and made again, in the background. */
  openLeases(context: StoreContext): LeaseStore;
  /** Opens one connection for the worker thread and resolves once it can be used. */
  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection;
  /** What a worker thread needs to open the same database, or an OptionError when only a module can say it. */
  describe(): DatabaseDescription;
  /** Called in the worker thread right after its copy was imported: closes a client that came along with the import. */
  disposeImported(): void;
  /** How long nothing is granted after the store lost its memory, ms. A property of the namespace, not of a locker. */
  readonly recoveryMs: number;
  /** Where keys are spread: a database each, with sessions and an era of its own. Its own doors are the first's. */
  readonly shards?: readonly Database[];
  /** The place in `shards` of the one that a key belongs to. */
  shardOf?(key: string): number;
  /** It lives in this very thread, and so must the worker's code. Default false. */
  readonly isInProcess?: boolean;
}

/** Structured-cloneable: travels to the worker thread. */
export type DatabaseDescription =
  | { type: "url"; url: string }
  | { type: "redis" | "postgres"; options: Record<string, unknown>; settings: Record<string, unknown> }
  | { type: "sqlite"; path: string; settings: Record<string, unknown> }
  | { type: "memory" }
  | { type: "tiers"; redis: DatabaseDescription; postgres: DatabaseDescription; settings: Record<string, unknown> }
  | { type: "module"; moduleName: string; exportName: string };

export type StoreContext = {
  clock: Clock;
  fence?: number; // all tokens of the namespace are to be above it
  onUp?(): void;
  onDown?(cause: Error): void;
  /** What concerns this locker's leases and waits. Comes in order with the answers to what it asked. */
  onPush?(push: StorePush): void;
};

/** Who asks, and in which era. An answer counts only while these are still true. */
export type Identity = {
  /** Fresh for each Locker; part of every session id and lease id. */
  lockerId: string;
  sessionId: string;
  era: string;
  /** The longest recoveryMs this locker has ever seen in the namespace. */
  recoveryMs: number;
};

export type RenewRequest = {
  key: string;
  leaseNumber: number;
  fencingToken: number;
  /** 0: only look, do not prolong. */
  lockTtlMs: number;
};
export type ReassertRequest = RenewRequest & {
  acquiredAtMs: number;
  trace: string;
  /** The end of its block of tokens. */
  lastToken: number;
  mode: LeaseMode;
  permits?: Permits | undefined;
};

export type LeaseAnswer =
  { status: "held" } | { status: "lost"; lease: LeaseRecord | undefined } | { status: "error"; error: Error };

/** `keepMs`: the job succeeded, and its key stays taken until so long after the grant, whoever ends meanwhile. */
export type ReleaseRequest = { key: string; leaseNumber: number; keepMs?: number | undefined };
export type ReleaseAnswer =
  | { status: "released" }
  | { status: "absent" }
  | { status: "other"; lease: LeaseRecord }
  | { status: "error"; error: Error };

/** "condemned", "era", "generation": nothing was done, for the session or era that asked is not the current one. */
export type BatchAnswer<Answer> =
  { status: "ok"; answers: readonly Answer[] } | { status: "condemned" | "era" | "generation" };

/** A lease as the store keeps it. */
export type LeaseRecord = {
  key: string;
  sessionId: string;
  leaseNumber: number;
  fencingToken: number;
  acquiredAtMs: number;
  era: string;
  trace: string;
  mode: LeaseMode;
  /** How many permits it takes; 1 in any other mode. */
  units: number;
  /** Its job is over and the key is kept for a while: nobody's to judge or to take. */
  isKept: boolean;
};

/** A session as the store keeps it, and what the store can tell of it at that instant. */
export type SessionRecord = {
  sessionId: string;
  /** Absent counts as condemned. */
  state: "alive" | "condemned" | "absent";
  /** For how long it has not pinged, by the store's clock, ms. Negative when that clock went back. */
  silentMs: number;
  /** Whether its worker's connection is gone; undefined where the store cannot tell. */
  connectionGone: boolean | undefined;
  sessionTtlMs: number;
  disconnectGraceMs: number;
  host: string;
  pid: number;
  labels: Record<string, string>;
  proofs: HostProofs;
};

/** What proves, between processes of one host, that a process is no more. Empty strings where it could not be read. */
export type HostProofs = { bootId: string; pidNamespace: string; timeNamespace: string; startTime: string };

/**
 * Who holds a key, as the store has it. While a process hands a key on among its own waiters the store is not asked, so
 * token, times and trace stay those of the first of them.
 */
export type Holder = {
  key: string;
  sessionId: string;
  fencingToken: number;
  /** When the store granted the key, by the store's clock, ms since the epoch. */
  acquiredAtMs: number;
  heldForMs: number;
  trace: string;
  /** Empty, and the pid 0, when the holder's session record is gone. */
  host: string;
  pid: number;
  labels: Record<string, string>;
};

/** A holder's session as its contender finds it, at one instant of the store (ms). */
export type SessionSnapshot = {
  session: SessionRecord;
  /** For how long the contender has been steady. */
  steadyMs: number;
  /** What this contender has to wait on top of the holder's limits: how much more of a clock's step it overlooks. */
  overlookedMs: number;
  nowMs: number;
};

export type CondemnReason = "silent" | "disconnected" | "proof" | "gone" | "era" | "already";
export type CondemnAnswer = { status: "condemned"; reason: CondemnReason } | { status: "alive" } | { status: "era" };
export type CondemnRequest = {
  sessionId: string;
  /** Its process is proven dead on this host. */
  proof: boolean;
  /** How long ago the contender's own connection last broke, ms. */
  brokenAgoMs: number;
  contenderSessionTtlMs: number;
  tombstoneMs: number;
};

/**
 * The main thread's door. Every method rejects with a StoreError "unreachable" when no answer came: what was asked
 * may have happened, now or, through a dead connection, later; but never later than a command that was asked and
 * answered after it. Batches hold at most 64 elements, each with its own answer.
 */
export interface LeaseStore {
  acquire(identity: Identity, batch: readonly AcquireRequest[]): Promise<BatchAnswer<AcquireAnswer>>;
  renew(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>>;
  reown(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>>;
  reassert(identity: Identity, batch: readonly ReassertRequest[]): Promise<BatchAnswer<LeaseAnswer>>;
  release(identity: Identity, batch: readonly ReleaseRequest[]): Promise<BatchAnswer<ReleaseAnswer>>;
  /** All leases that hold the key, or are kept: however many, also several of one session. */
  readHolders(key: string): Promise<LeaseRecord[]>;
  /** Asks a holder to give the key back, or, by force, begins to take it away. */
  revoke(identity: Identity, request: RevokeRequest): Promise<RevokeAnswer>;
  /** Says of leases that their task waits, and for what; or that it no longer does. Forgotten after a minute. */
  markBlocked(request: BlockedRequest): Promise<void>;
  /** What the task that holds this lease waits for, if it does. */
  readWaiting(leaseId: string): Promise<WaitingTask | undefined>;
  /** Of a shard, the halves of readWaiting: what was said of the lease, and whether the key's queue says so, too. */
  readBlocked?(leaseId: string): Promise<BlockedNote | undefined>;
  readQueued?(note: BlockedNote): Promise<WaitingTask>;
  /** Tells the locker whose wait for the key that is that it closes a circle. */
  tellDeadlock(waiter: string, key?: string): Promise<void>;
  readSession(sessionId: string, contender: Identity): Promise<SessionSnapshot>;
  condemn(contender: Identity, request: CondemnRequest): Promise<CondemnAnswer>;
  writeTombstones(contender: Identity, sessionIds: readonly string[], keepMs: number): Promise<void>;
  onEra?(era: string): void; // the session lives in that era now; for a store that is made of several
  /** Resolves when there is a connection; rejects with the last failure when `signal` aborts. */
  whenUp(signal: AbortSignal): Promise<void>;
  close(): void;
}
