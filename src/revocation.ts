import type { Clock } from "./clock.js";
import { wait } from "./clock.js";
import type { Identity, LeaseRecord, Replaced, RevokeAnswer } from "./databases/database.js";
import type { Engine } from "./engine.js";
import { LockModeError, StoreError } from "./errors.js";
import { check, checkDuration, checkNames } from "./options.js";
import { joinSignals, type JoinedSignal } from "./signals.js";

export type RevokeOptions = {
  /** How long to wait until the key was given back, ms. Default 10 000: a job stops at its next heartbeat. */
  graceMs?: number;
  /**
   * Takes the key from those who have not given it back by then. That takes as long as they may believe in it without a
   * ping (their disconnectGraceMs), so that nobody holds it while they do. Default false: a job that does not stop may
   * still write.
   */
  force?: boolean;
  /** Ends the call early, with its reason. What was asked for stays so; marks of leases fade within a minute or so. */
  signal?: AbortSignal;
};

export type RevokeResult = {
  /**
   * "free": nobody held it; "released": all who held it gave it back in time; "revoked": they were told, and not all
   * did; "forced": whoever did not has lost it.
   */
  status: "free" | "released" | "revoked" | "forced";
};

const KNOWN = new Set(["graceMs", "force", "signal"]);
const GRACE_MS = 10_000;
/** How often it is looked whether the key was given back, ms. */
const LOOK_MS = 50;
/** How often those who still hold it are asked again, ms: a push is lost where its connection was just away. */
const ASK_AGAIN_MS = 1_000;
/** For how long a key that was revoked by force is asked for beyond its holders' time, ms: the marks live as long. */
const TAKE_MS = 60_000;

/**
 * A wish that no pool grants. What revokes permits must never have the key itself, as it does not know the limit: for
 * that moment the pool's users would be refused for another mode or limit.
 */
const NEVER_GRANTED = { limit: 1, take: 2, perProcess: 2 };

/** How many leases are asked for at the same time. */
const AT_ONCE = 64;

export function checkRevoke(options: RevokeOptions): void {
  checkNames(options, KNOWN);
  const { graceMs, force, signal } = options;
  if (graceMs !== undefined) checkDuration("graceMs", graceMs, 0);
  check(force === undefined || typeof force === "boolean", "force", force, "must be true or false");
  check(signal === undefined || signal instanceof AbortSignal, "signal", signal, "must be an AbortSignal");
}

type Revoked = { lease: LeaseRecord; answer: RevokeAnswer; era: string };
type RevocationDeps = {
  engine: Engine;
  clock: Clock;
  ended: AbortSignal;
  lockTtlMs: number;
  acquireTimeoutMs: number;
};

/** Asks all who hold a key to stop, waits for them, and takes it from them if need be. Others are left alone. */
export class Revocation {
  readonly #key: string;
  readonly #deps: RevocationDeps;
  readonly #stop: JoinedSignal;

  constructor(key: string, signal: AbortSignal | undefined, deps: RevocationDeps) {
    this.#key = key;
    this.#deps = deps;
    this.#stop = joinSignals(signal ? [deps.ended, signal] : [deps.ended]);
  }

  async run({ graceMs = GRACE_MS, force = false }: RevokeOptions): Promise<RevokeResult> {
    try {
      const asked = await this.#holders();
      if (asked.length === 0) return { status: "free" };
      const left = await this.#askUntilGone(asked, graceMs);
      if (left.length === 0) return { status: "released" };
      if (!force) return { status: "revoked" };
      await this.#force(left);
      return { status: "forced" };
    } finally {
      this.#stop.dispose();
    }
  }

  /**
   * Without leases that are merely kept, of which no job could stop and nobody may have the key before, and without
   * those of an older era, which hold nothing and which nobody will give back.
   */
  #holders(): Promise<LeaseRecord[]> {
    return this.#ask(async ({ era }) => {
      const leases = await this.#deps.engine.store.readHolders(this.#key);
      return leases.filter((lease) => !lease.isKept && lease.era === era);
    });
  }

  /** Who of them still holds it after that time, though they were asked. */
  async #askUntilGone(asked: readonly LeaseRecord[], ms: number): Promise<readonly LeaseRecord[]> {
    const { clock } = this.#deps;
    const untilMs = clock.monoMs() + ms;
    let left = asked;
    do {
      await this.#revokeAll(left, false);
      left = await this.#untilGone(left, Math.min(ASK_AGAIN_MS, untilMs - clock.monoMs()));
    } while (left.length > 0 && clock.monoMs() < untilMs);
    return left;
  }

  /** Who of them still holds it after that time. Who came later is not looked for. */
  async #untilGone(asked: readonly LeaseRecord[], ms: number): Promise<LeaseRecord[]> {
    const { clock } = this.#deps;
    const untilMs = clock.monoMs() + ms;
    for (;;) {
      const held = new Set((await this.#holders()).map(leaseIdOf));
      const left = asked.filter((lease) => held.has(leaseIdOf(lease)));
      const leftMs = untilMs - clock.monoMs();
      if (left.length === 0 || leftMs <= 0) return left;
      await wait(clock, Math.min(LOOK_MS, leftMs), this.#stop.signal);
    }
  }

  /** Marks their leases first: a holder believes for a while without asking, and may not be followed in that time. */
  async #force(left: readonly LeaseRecord[]): Promise<void> {
    const { clock } = this.#deps;
    const leases: Replaced[] = [];
    let [steadyMs, markedIn] = [0, ""];
    for (const { lease, answer, era } of await this.#revokeAll(left, true)) {
      if (answer.status !== "marked") continue; // it was given back meanwhile
      const { sessionId, fencingToken } = lease;
      leases.push({ sessionId, fencingToken, markedAtMs: answer.markedAtMs });
      steadyMs = Math.max(steadyMs, answer.steadyMs);
      markedIn = era;
    }
    const readyMs = clock.monoMs() + steadyMs;
    while ((await this.#untilGone(left, readyMs - clock.monoMs())).length > 0) {
      if (clock.monoMs() > readyMs + TAKE_MS) throw this.#failure("could not be taken from its holder");
      await this.#take(left[0]!, { leases, era: markedIn });
      await wait(clock, LOOK_MS, this.#stop.signal);
    }
  }

  /** In their place, if this session is steady enough by now; and given on at once to whoever waits for it. */
  async #take({ mode }: LeaseRecord, revoked: { leases: readonly Replaced[]; era: string }): Promise<void> {
    const { acquisition, holdings } = this.#deps.engine;
    const wanted = { key: this.#key, lockTtlMs: this.#deps.lockTtlMs, trace: "revoke", waitMs: 0, minHoldMs: 0, mode };
    const signals = [this.#stop.signal];
    const all = mode === "permits" ? { ...wanted, permits: NEVER_GRANTED } : wanted;
    try {
      const acquired = await acquisition.run({ ...all, signals, revoked });
      if ("grant" in acquired) await holdings.release(holdings.add(acquired.grant));
    } catch (error) {
      // Of permits this is the answer, but not before the marked ones were dropped.
      if (!(error instanceof LockModeError && mode === "permits")) throw error;
    }
  }

  async #revokeAll(leases: readonly LeaseRecord[], force: boolean): Promise<Revoked[]> {
    const revoked: Revoked[] = [];
    for (let i = 0; i < leases.length; i += AT_ONCE) {
      const some = leases.slice(i, i + AT_ONCE).map((lease) => this.#revoke(lease, force));
      revoked.push(...(await Promise.all(some)));
    }
    return revoked;
  }

  async #revoke(lease: LeaseRecord, force: boolean): Promise<Revoked> {
    const { sessionId, leaseNumber, fencingToken } = lease;
    const request = { key: this.#key, sessionId, leaseNumber, fencingToken, force };
    return this.#ask(async (identity) => {
      const answer = await this.#deps.engine.store.revoke(identity, request);
      const { status } = answer;
      if (status === "error") throw answer.error;
      if (status === "condemned" || status === "era" || status === "generation") {
        throw this.#failure("was not asked back: this session has just ended");
      }
      return { lease, answer, era: identity.era };
    });
  }

  /** Asks again until the store answers: once or twice is the same. Not for longer than an acquire waits for one. */
  async #ask<T>(request: (identity: Identity) => Promise<T>): Promise<T> {
    const { clock, acquireTimeoutMs, engine } = this.#deps;
    const patience = joinSignals([this.#stop.signal]);
    let last: StoreError | undefined;
    const onLate = () =>
      patience.abort(engine.session.noAnswer(`${JSON.stringify(this.#key)} was not revoked`, acquireTimeoutMs, last));
    const timer = clock.timer(acquireTimeoutMs, () => clock.afterInput(onLate));
    try {
      for (;;) {
        try {
          const { identity } = await engine.session.whenTrusted(patience.signal);
          await engine.store.whenUp(patience.signal);
          // In a recovery window the living have yet to write what they hold: who is not there may still have the key.
          if (!engine.session.state?.recovering) return await patience.within(request(identity));
        } catch (error) {
          patience.throwIfAborted();
          if (!(error instanceof StoreError) || error.code !== "unreachable") throw error;
          last = error;
        }
        await wait(clock, LOOK_MS, patience.signal);
      }
    } finally {
      timer.cancel();
      patience.dispose();
    }
  }

  #failure(what: string): StoreError {
    return new StoreError("unreachable", `${JSON.stringify(this.#key)} ${what}`);
  }
}

/** Named by its locker: the session under a lease may change. */
function leaseIdOf({ sessionId, leaseNumber }: LeaseRecord): string {
  return `${sessionId.slice(0, sessionId.lastIndexOf("."))}#${leaseNumber}`;
}
