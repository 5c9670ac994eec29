import { wait, type Clock } from "./clock.js";
import type {
  Holder,
  LeaseRecord,
  LeaseStore,
  Replaced,
  SessionRecord,
  SessionSnapshot,
} from "./databases/database.js";
import { publish, type Condemned } from "./events.js";
import type { Session } from "./session.js";
import { decideTakeover, type ProcessProof } from "./takeover.js";

/** What is to be done about a key that somebody holds. */
export type Contention =
  /**
   * Its holders live ("busy"), or one may be dead but cannot be judged yet ("unsure"). Worth another look in
   * `againInMs`. `living`: one that shows no sign of death. `sessions`: those of the holders.
   */
  | {
      next: "busy" | "unsure";
      holder: Holder;
      living: Holder | undefined;
      againInMs: number;
      limitMs: number;
      sessions: readonly SessionRecord[];
    }
  /** These holders are condemned: the key may be taken from exactly these leases. */
  | { next: "take"; replace: readonly Replaced[]; takenFrom: Condemned };

/**
 * How long the tombstones of sessions that we condemned are remembered, ms: longer than any lease of theirs could
 * come back.
 */
const REMEMBER_MS = 3_600_000;
const REMEMBER_MAX = 10_000;
const TOMBSTONE_MS = 3_600_000;
const TOMBSTONES_A_CALL = 64;
const RETRY_MS = 100;
/** Of more sessions that hold a key than that the store tells only some to a contender. */
const HOLDERS_TOLD = 8;
/** When to look again at what changes in a moment, ms. */
const AGAIN_MS = 20;

export type ContentionDeps = {
  clock: Clock;
  store: LeaseStore;
  session: Session;
  lockerId: string;
  sessionTtlMs: number;
  /** Whether the holder's process is known to be dead, without asking the store. */
  prove(holder: SessionRecord): ProcessProof;
  /** Whether a job of this locker still runs under that lease. */
  knows(leaseNumber: number): boolean;
  /** Aborts when the locker ends. */
  ended: AbortSignal;
};

/** Reads holders' sessions, judges them, condemns the dead ones. */
export class ContentionJudge {
  readonly #deps: ContentionDeps;
  /** Contenders of one turn that look at the same session share one look. */
  readonly #looks = new Map<string, Promise<SessionSnapshot>>();
  readonly #condemned = new Map<string, number>();

  constructor(deps: ContentionDeps) {
    this.#deps = deps;
  }

  /** All who hold a key, one lease of each session, when the store has told so many of them. */
  async all(told: readonly LeaseRecord[]): Promise<readonly LeaseRecord[]> {
    const [one] = told;
    if (!one || told.length < HOLDERS_TOLD) return told;
    const leases = await this.#deps.store.readHolders(one.key);
    const bySession = new Map(leases.map((lease) => [lease.sessionId, lease]));
    return bySession.size > 0 ? [...bySession.values()] : told;
  }

  /** Whoever holds the key of these leases, each by itself. */
  async judgeKey(told: readonly LeaseRecord[]): Promise<Contention> {
    return this.judgeAll(await this.all(told));
  }

  /** Each by itself: all that are dead are condemned. */
  async judgeAll(leases: readonly LeaseRecord[]): Promise<Contention> {
    const found = await Promise.all(leases.map((lease) => this.judge(lease)));
    const dead = found.filter((one) => one.next === "take");
    if (dead[0]) return { ...dead[0], replace: dead.flatMap(({ replace }) => replace) };
    const held = found.filter((one) => one.next !== "take");
    const worst = held.find(({ next }) => next === "unsure") ?? held[0]!;
    const againInMs = Math.min(...held.map((one) => one.againInMs));
    const living = held.find((one) => one.living)?.living;
    return { ...worst, living, againInMs, sessions: held.flatMap(({ sessions }) => sessions) };
  }

  async judge(lease: LeaseRecord): Promise<Contention> {
    const { lockerId, session, knows } = this.#deps;
    const own = session.latest()?.identity.sessionId;
    const snapshot = await this.#look(lease.sessionId);
    const isOurOwnLast = lease.sessionId !== own && lease.sessionId.startsWith(`${lockerId}.`);
    // We live under another id because it was condemned
    const state = isOurOwnLast ? "condemned" : snapshot.session.state;
    const verdict = this.#decide(snapshot, state);
    const { session: holder, overlookedMs } = snapshot;
    const facts = { holder: toHolder(lease, snapshot), limitMs: holder.sessionTtlMs + overlookedMs };
    const held = (next: "busy" | "unsure", againInMs: number) => {
      const isLiving = next === "busy" && (lease.isKept || !holder.connectionGone);
      return { next, ...facts, living: isLiving ? facts.holder : undefined, againInMs, sessions: [holder] } as const;
    };
    if (lease.isKept) return { ...held("busy", Infinity), sessions: [] }; // whoever it was: nobody may have it yet
    if (isOurOwnLast && knows(lease.leaseNumber)) return held("unsure", AGAIN_MS); // it is being re-owned
    if (verdict.verdict === "alive") return held("busy", verdict.againInMs);
    if (verdict.verdict === "unsure") return held("unsure", verdict.againInMs);
    const takenFrom = await this.#condemn(holder, verdict.proof);
    const replace = [{ sessionId: lease.sessionId, fencingToken: lease.fencingToken }];
    return takenFrom ? { next: "take", replace, takenFrom } : held("unsure", AGAIN_MS);
  }

  /** Whether that session is condemned, by us if need be. */
  async isDead(sessionId: string): Promise<boolean> {
    const snapshot = await this.#look(sessionId);
    const verdict = this.#decide(snapshot, snapshot.session.state);
    if (verdict.verdict !== "dead") return false;
    return (await this.#condemn(snapshot.session, verdict.proof)) !== undefined;
  }

  prove(holder: SessionRecord): ProcessProof {
    return this.#deps.prove(holder);
  }

  async describe(lease: LeaseRecord): Promise<Holder> {
    return toHolder(lease, await this.#look(lease.sessionId));
  }

  /** Undefined when that session is dead, or its era over. */
  async describeLiving(lease: LeaseRecord): Promise<Holder | undefined> {
    const era = this.#deps.session.latest()?.identity.era;
    if (era !== undefined && era !== lease.era) return undefined;
    const snapshot = await this.#look(lease.sessionId);
    return snapshot.session.state === "alive" ? toHolder(lease, snapshot) : undefined;
  }

  /**
   * In the window after a loss: so that nobody comes back whose key we may have taken. Asked again until it was
   * answered (the worker is often back before this thread's connection is), while that era lasts. Never rejects.
   */
  async writeTombstones(): Promise<void> {
    const { session, store, clock, ended } = this.#deps;
    const era = session.latest()?.identity.era;
    const nowMs = clock.monoMs();
    for (const [id, atMs] of this.#condemned) if (nowMs - atMs > REMEMBER_MS) this.#condemned.delete(id);
    const ids = [...this.#condemned.keys()];
    while (ids.length > 0 && !ended.aborted) {
      const contender = session.latest()?.identity;
      if (!contender || contender.era !== era) return;
      try {
        await store.writeTombstones(contender, ids.slice(0, TOMBSTONES_A_CALL), TOMBSTONE_MS);
        ids.splice(0, TOMBSTONES_A_CALL);
      } catch {
        await wait(clock, RETRY_MS, ended).catch(() => {}); // the loop looks whether it ended
        await store.whenUp(ended).catch(() => {});
      }
    }
  }

  #decide({ session: holder, steadyMs, overlookedMs }: SessionSnapshot, state: SessionRecord["state"]) {
    const { prove, session, sessionTtlMs } = this.#deps;
    return decideTakeover({
      holder: { ...holder, state },
      proof: holder.state === "alive" ? prove(holder) : "unknown",
      ...{ steadyMs, overlookedMs },
      brokenAgoMs: session.brokenAgoMs,
      contenderSessionTtlMs: sessionTtlMs,
    });
  }

  #look(sessionId: string): Promise<SessionSnapshot> {
    const under = this.#looks.get(sessionId);
    if (under) return under;
    const contender = this.#deps.session.latest()?.identity ?? { lockerId: "", sessionId: "", era: "", recoveryMs: 0 };
    const look = this.#deps.store.readSession(sessionId, contender).finally(() => this.#looks.delete(sessionId));
    this.#looks.set(sessionId, look);
    return look;
  }

  /** Undefined when the store, looking again, found that it may not. */
  async #condemn(holder: SessionRecord, proof: boolean): Promise<Condemned | undefined> {
    const { sessionId, host, pid } = holder;
    const silentMs = Math.max(0, holder.silentMs);
    const described = (reason: Condemned["reason"]) => ({ sessionId, reason, silentMs, host, pid });
    if (holder.state === "absent") return described("gone"); // after a loss it may only not have entered the era yet
    if (holder.state === "condemned") {
      this.#remember(sessionId);
      return described("already");
    }
    const { store, session, sessionTtlMs } = this.#deps;
    const stamp = session.stamp();
    if (!stamp) return undefined; // who is not trusted judges nobody
    const answer = await store.condemn(stamp.identity, {
      ...{ sessionId, proof, tombstoneMs: TOMBSTONE_MS },
      brokenAgoMs: Math.min(session.brokenAgoMs, 2 ** 31),
      contenderSessionTtlMs: sessionTtlMs,
    });
    if (answer.status !== "condemned") return undefined;
    this.#remember(sessionId);
    const condemned = described(answer.reason);
    if (answer.reason !== "already" && answer.reason !== "gone") publish("condemned", () => condemned);
    return condemned;
  }

  /** Whoever condemned it: we may take its key now. */
  #remember(sessionId: string): void {
    if (this.#condemned.size >= REMEMBER_MAX) this.#condemned.delete(this.#condemned.keys().next().value!);
    this.#condemned.set(sessionId, this.#deps.clock.monoMs());
  }
}

function toHolder(lease: LeaseRecord, { session, nowMs }: SessionSnapshot): Holder {
  const { key, sessionId, fencingToken, acquiredAtMs, trace } = lease;
  const { host, pid, labels } = session;
  const heldForMs = Math.max(0, nowMs - acquiredAtMs);
  return { key, sessionId, fencingToken, acquiredAtMs, heldForMs, trace, host, pid, labels };
}
