// A store without a network, for the main thread's side: a test sees every command and says how it is answered.

import type {
  AcquireAnswer,
  AcquireRequest,
  BatchAnswer,
  BlockedRequest,
  CondemnAnswer,
  CondemnRequest,
  Identity,
  LeaseAnswer,
  LeaseRecord,
  LeaseStore,
  ReassertRequest,
  ReleaseAnswer,
  ReleaseRequest,
  RenewRequest,
  RevokeAnswer,
  RevokeRequest,
  SessionRecord,
  WaitingTask,
} from "../../src/databases/database.js";
import { StoreError } from "../../src/errors.js";

type Requests = {
  acquire: AcquireRequest;
  renew: RenewRequest;
  reown: RenewRequest;
  reassert: ReassertRequest;
  release: ReleaseRequest;
};

type SessionLook = Awaited<ReturnType<LeaseStore["readSession"]>>;

export type BatchVerb = keyof Requests;

/** A batch that was sent. */
export interface Command<Verb extends BatchVerb = BatchVerb> {
  readonly verb: Verb;
  readonly identity: Identity;
  readonly batch: readonly Requests[Verb][];
}

const usual: Record<BatchVerb, unknown> = {
  acquire: { status: "granted", fencingToken: 1, lastToken: 1, acquiredAtMs: 1 },
  renew: { status: "held" },
  reown: { status: "held" },
  reassert: { status: "held" },
  release: { status: "released" },
};

/** Answers every command at once, as everything were ours, unless told otherwise. */
export class ScriptedLeases implements LeaseStore {
  readonly commands: Command[] = [];
  /** How often the session of that id was read, condemned, or had its tombstone written. */
  readonly read: string[] = [];
  readonly condemned: CondemnRequest[] = [];
  readonly tombstones: (readonly string[])[] = [];
  /** An answer for each element, by verb. A function may throw: then no answer comes. */
  readonly answers: Partial<Record<BatchVerb, (command: Command) => unknown>> = {};
  /** By verb: what is said to the whole of a batch, in place of answers. */
  readonly refusals: Partial<Record<BatchVerb, "condemned" | "era" | "generation">> = {};
  readonly revoked: RevokeRequest[] = [];
  readonly blocked: BlockedRequest[] = [];
  readonly toldDeadlock: string[] = [];
  /** What readHolders answers. */
  holders: LeaseRecord[] = [];
  /** What the task waits for that holds the lease of that id. */
  readonly waiting = new Map<string, WaitingTask>();
  onRevoke: (request: RevokeRequest) => unknown = () => ({ status: "absent" });
  /** What condemn and writeTombstones do besides being written down. */
  onCondemn: (request: CondemnRequest) => unknown = () => ({ status: "alive" });
  onTombstones: () => void = () => undefined;
  /** Before a session is read. */
  onRead: () => void = () => undefined;
  session: Partial<SessionRecord> = {};
  /** What is different in the session of that id. */
  readonly sessions: Record<string, Partial<SessionRecord>> = {};
  steadyMs = 0;
  overlookedMs = 0;
  /** After so many of them no command is answered: who asks hot is to be seen, not to ask without end. */
  commandsMax = Infinity;
  #count = 0;
  /** While held, commands stay unanswered until let(). */
  #held: (() => void)[] | undefined;
  isUp = true;
  #waiters: (() => void)[] = [];

  /** From now on nothing is answered before let(). */
  hold(): void {
    this.#held ??= [];
  }
  let(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const resume of held) resume();
  }

  up(): void {
    this.isUp = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** The commands of one verb, in their order. */
  sent<Verb extends BatchVerb>(verb: Verb): Command<Verb>[] {
    return this.commands.filter((command) => command.verb === verb) as Command<Verb>[];
  }

  acquire(identity: Identity, batch: readonly AcquireRequest[]): Promise<BatchAnswer<AcquireAnswer>> {
    return this.#answer({ verb: "acquire", identity, batch });
  }
  renew(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#answer({ verb: "renew", identity, batch });
  }
  reown(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#answer({ verb: "reown", identity, batch });
  }
  reassert(identity: Identity, batch: readonly ReassertRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#answer({ verb: "reassert", identity, batch });
  }
  release(identity: Identity, batch: readonly ReleaseRequest[]): Promise<BatchAnswer<ReleaseAnswer>> {
    return this.#answer({ verb: "release", identity, batch });
  }

  readHolders(): Promise<LeaseRecord[]> {
    return Promise.resolve(this.holders);
  }

  async revoke(_identity: Identity, request: RevokeRequest): Promise<RevokeAnswer> {
    this.revoked.push(request);
    await this.#released();
    return this.onRevoke(request) as RevokeAnswer;
  }

  async markBlocked(request: BlockedRequest): Promise<void> {
    this.blocked.push(request);
    await this.#released();
  }

  async readWaiting(leaseId: string): Promise<WaitingTask | undefined> {
    await this.#released();
    return this.waiting.get(leaseId);
  }

  async tellDeadlock(waiter: string): Promise<void> {
    this.toldDeadlock.push(waiter);
    await this.#released();
  }

  async readSession(sessionId: string): Promise<SessionLook> {
    this.read.push(sessionId);
    this.onRead();
    await this.#released();
    const { steadyMs, overlookedMs } = this;
    const session = { ...sessionRecord(sessionId), ...this.session, ...this.sessions[sessionId] };
    return { session, steadyMs, overlookedMs, nowMs: 5_000 };
  }

  async condemn(_contender: Identity, request: CondemnRequest): Promise<CondemnAnswer> {
    this.condemned.push(request);
    await this.#released();
    return this.onCondemn(request) as CondemnAnswer;
  }

  async writeTombstones(_contender: Identity, sessionIds: readonly string[]): Promise<void> {
    this.onTombstones();
    await this.#released();
    this.tombstones.push([...sessionIds]);
  }

  whenUp(signal: AbortSignal): Promise<void> {
    if (this.isUp) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push(resolve);
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }
  close(): void {}

  async #answer<Answer>(command: Command): Promise<BatchAnswer<Answer>> {
    this.commands.push(command);
    await this.#released();
    const { verb, batch } = command;
    const refusal = this.refusals[verb];
    if (refusal) return { status: refusal };
    const answer = this.answers[verb]?.(command) ?? usual[verb];
    return { status: "ok", answers: batch.map(() => answer as Answer) };
  }

  async #released(): Promise<void> {
    if (++this.#count > this.commandsMax) return new Promise(() => {});
    const held = this.#held;
    if (held) await new Promise<void>((resolve) => held.push(resolve));
  }
}

export function unreachable(): never {
  throw new StoreError("unreachable", "no answer");
}

export function sessionRecord(sessionId: string): SessionRecord {
  return {
    ...{
      sessionId,
      state: "alive",
      silentMs: 0,
      connectionGone: false,
      sessionTtlMs: 10_000,
      disconnectGraceMs: 1_500,
    },
    ...{ host: "elsewhere", pid: 42, labels: {} },
    proofs: { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" },
  };
}
