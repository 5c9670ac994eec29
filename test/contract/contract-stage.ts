// What the contract's cases act with: sessions in one namespace of a real store, both doors of each in one hand.

import { nanoid } from "nanoid";
import { systemClock, type Clock } from "../../src/clock.js";
import type {
  AcquireAnswer,
  AcquireRequest,
  BeginRequest,
  CondemnAnswer,
  CondemnRequest,
  Database,
  Identity,
  LeaseRecord,
  LeaseStore,
  LivenessConnection,
  PingAnswer,
  PingRequest,
  StorePush,
} from "../../src/databases/database.js";

/** A backend's part in the contract. */
export interface ContractStore extends AsyncDisposable {
  /** In a namespace that nobody else uses and nobody has used. */
  readonly database: Database;
  /** Whether the store can tell that a session's connection is gone. */
  readonly seesConnections: boolean;
  /** It forgets everything, as one that is restarted without its data; what it is asked next begins an era. */
  loseMemory(): Promise<void>;
  /** It was away and is back with what it had: its data may be old. */
  interrupt(): Promise<void>;
  /** Makes a session silent for so much longer (negative: its last ping lies ahead), or steady for so much longer. */
  age(sessionId: string, by: { silentMs?: number; steadyMs?: number }): Promise<void>;
  /** Makes the mark of the exclusive lease of a key so much older; returns when it was made, as it is now. */
  ageMark(key: string, byMs: number): Promise<number>;
}

export type OpenContractStore = () => Promise<ContractStore>;

/** By the sentence that says what holds. */
export type ContractCases = Record<string, (stage: ContractStage) => Promise<void>>;

/** Limits of such a size that no busy machine reaches them by itself: time passes by ContractStore.age(). */
export const limits = {
  sessionTtlMs: 400_000,
  disconnectGraceMs: 200_000,
  pingIntervalMs: 60_000,
  driftMs: 30_000,
};
export const RECOVERY_MS = 1_000_000;
/** Well away from a limit, for what must not have been reached. */
export const SAFE_MS = 50_000;

const proofs = { bootId: "boot", pidNamespace: "pid", timeNamespace: "time", startTime: "7" };

export interface ActorOptions {
  readonly lockerId?: string;
  /** How many sessions of that locker came before. */
  readonly number?: number;
  readonly listens?: boolean;
  readonly clock?: Clock;
}

/** One session of one locker. */
export class Actor implements AsyncDisposable {
  readonly lockerId: string;
  readonly sessionId: string;
  era = "";
  pushes = 0;
  /** What its main thread was told without asking. */
  readonly told: StorePush[] = [];
  readonly leases: LeaseStore;
  readonly liveness: LivenessConnection;

  constructor(database: Database, { lockerId = nanoid(), number = 1, clock = systemClock }: ActorOptions) {
    this.lockerId = lockerId;
    this.sessionId = `${lockerId}.${number}`;
    this.leases = database.openLeases({ clock, onPush: (push) => void this.told.push(push) });
    const events = { onPush: () => void (this.pushes += 1), onClose: () => undefined };
    this.liveness = database.openLiveness({ clock }, events);
  }

  get identity(): Identity {
    const { lockerId, sessionId, era } = this;
    return { lockerId, sessionId, era, recoveryMs: RECOVERY_MS };
  }

  async begin(more: Partial<BeginRequest> = {}): Promise<PingAnswer> {
    const facts = { host: "here", pid: 42, labels: { release: "7" }, proofs };
    const { sessionId } = this;
    const answer = await this.liveness.begin({
      ...{ sessionId, mode: "new", era: "", recoveryMs: RECOVERY_MS, ...limits, ...facts, ...more },
    });
    if (answer.status === "alive" || answer.status === "recovering") this.era = answer.era;
    return answer;
  }

  ping(more: Partial<PingRequest> = {}): Promise<PingAnswer> {
    const { sessionId, era } = this;
    return this.liveness.ping({ sessionId, era, recoveryMs: RECOVERY_MS, clockStepped: false, ...more });
  }

  /** One acquire, in a batch of its own. */
  async acquire(key: string, more: Partial<AcquireRequest> = {}): Promise<AcquireAnswer | { status: string }> {
    const request = { key, leaseNumber: 1, lockTtlMs: 60_000, trace: "", ...more };
    const result = await this.leases.acquire(this.identity, [request]);
    return result.status === "ok" ? first(result.answers) : { status: result.status };
  }

  /** Queues for a key that is held, or asks again from its place in the queue. */
  queue(key: string, more: Partial<AcquireRequest> = {}): Promise<AcquireAnswer | { status: string }> {
    return this.acquire(key, { wait: { fitForMs: 60_000, dead: [] }, ...more });
  }

  /** The lease that holds the key. */
  async readLease(key: string): Promise<LeaseRecord | undefined> {
    const holders = await this.leases.readHolders(key);
    return holders.length === 0 ? undefined : first(holders);
  }

  /** What must be granted: its token. */
  async take(key: string, more: Partial<AcquireRequest> = {}): Promise<number> {
    const answer = await this.acquire(key, more);
    if ("fencingToken" in answer) return answer.fencingToken;
    throw new Error(`${key} was not granted: ${JSON.stringify(answer)}`);
  }

  /** What condemns a session that is silent past its TTL, or whatever `more` says. */
  condemn(sessionId: string, more: Partial<CondemnRequest> = {}): Promise<CondemnAnswer> {
    const request = { sessionId, proof: false, brokenAgoMs: 2 ** 31, contenderSessionTtlMs: 10_000 };
    return this.leases.condemn(this.identity, { ...request, tombstoneMs: 600_000, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.liveness.close();
    this.leases.close();
  }
}

export class ContractStage implements AsyncDisposable {
  readonly store: ContractStore;
  readonly #actors: Actor[] = [];

  constructor(store: ContractStore) {
    this.store = store;
  }

  /** A session whose connections are up, but which has not begun. */
  async actor(options: ActorOptions = {}): Promise<Actor> {
    const actor = new Actor(this.store.database, options);
    this.#actors.push(actor);
    await actor.liveness.ready;
    await actor.leases.whenUp(AbortSignal.timeout(10_000));
    if (options.listens) await actor.liveness.listen(actor.sessionId);
    return actor;
  }

  /** A session that has begun, in a namespace whose window is closed: it may acquire, and is as steady as it likes. */
  async begun(options: ActorOptions = {}, more: Partial<BeginRequest> = {}): Promise<Actor> {
    const actor = await this.actor(options);
    const { recovering } = await actor.begin(more);
    if (recovering) await this.closeWindow(actor);
    return actor;
  }

  async closeWindow(actor: Actor): Promise<void> {
    await this.store.age(actor.sessionId, { steadyMs: RECOVERY_MS });
    const answer = await actor.ping();
    if (answer.recovering) throw new Error(`the window did not close: ${JSON.stringify(answer)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const actor of this.#actors.toReversed()) await actor[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }
}

export function first<Item>(items: readonly Item[]): Item {
  const [item, ...more] = items;
  if (item === undefined || more.length > 0) throw new Error(`expected one element, not ${items.length}`);
  return item;
}
