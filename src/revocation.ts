import type { Clock } from "./clock.js";
import { wait } from "./clock.js";
import type { Identity, LeaseRecord, Replaced, RevokeAnswer } from "./databases/database.js";
import type { Engine } from "./engine.js";
import { LockModeError, OptionError, StoreError } from "./errors.js";
import { checkDuration, checkNames } from "./options.js";

export type RevokeOptions = {
  /** How long to wait until the key was given back, ms. Default 10 000: a job stops at its next heartbeat. */
  graceMs?: number;
  /**
   * Takes the key from those who have not given it back by then. That takes as long as they may believe in it without a
   * ping (their disconnectGraceMs), so that nobody holds it while they do. Default false: a job that does not stop may
   * still write.
   */
  force?: boolean;
};

export type RevokeResult = {
  /**
   * "free": nobody held it; "released": it was given back in time; "revoked": its holder was told, and still has it;
   * "forced": its holder has lost it.
   */
  status: "free" | "released" | "revoked" | "forced";
};

const KNOWN = new Set(["graceMs", "force"]);
const GRACE_MS = 10_000;
/** How often it is looked whether the key was given back, ms. */
const LOOK_MS = 50;
/** For how long a key that was revoked by force is asked for beyond its holders' time, ms: the marks live as long. */
const TAKE_MS = 60_000;

export function checkRevoke(options: RevokeOptions): void {
  checkNames(options, KNOWN);
  const { graceMs, force } = options;
  if (graceMs !== undefined) checkDuration("graceMs", graceMs, 0);
  if (force !== undefined && typeof force !== "boolean") throw new OptionError("force", force, "must be a boolean");
}

type RevocationDeps = { engine: Engine; clock: Clock; signal: AbortSignal; lockTtlMs: number };

/** Asks all who hold a key to stop, waits for them, and takes it from them if need be. Others are left alone. */
export class Revocation {
  readonly #key: string;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #lockTtlMs: number;

  constructor(key: string, { engine, clock, signal, lockTtlMs }: RevocationDeps) {
    this.#key = key;
    this.#engine = engine;
    this.#clock = clock;
    this.#signal = signal;
    this.#lockTtlMs = lockTtlMs;
  }

  async run({ graceMs = GRACE_MS, force = false }: RevokeOptions): Promise<RevokeResult> {
    const identity = await this.#identity();
    await this.#engine.store.whenUp(this.#signal);
    const asked = await this.#holders();
    if (asked.length === 0) return { status: "free" };
    for (const lease of asked) await this.#revoke(lease, identity, false);
    const left = await this.#untilGone(asked, graceMs);
    if (left.length === 0) return { status: "released" };
    if (!force) return { status: "revoked" };
    await this.#force(left);
    return { status: "forced" };
  }

  async #identity(): Promise<Identity> {
    return (await this.#engine.session.whenTrusted(this.#signal)).identity;
  }

  /** Without leases that are merely kept: no job of theirs could stop, and nobody may have the key before. */
  async #holders(): Promise<LeaseRecord[]> {
    return (await this.#engine.store.readHolders(this.#key)).filter(({ isKept }) => !isKept);
  }

  /** Who of them still holds it after that time. */
  async #untilGone(asked: readonly LeaseRecord[], ms: number): Promise<LeaseRecord[]> {
    const untilMs = this.#clock.monoMs() + ms;
    for (;;) {
      const held = await this.#holders();
      const isLeft = (lease: LeaseRecord) => held.some((one) => isSame(one, lease));
      const left = asked.filter(isLeft);
      const leftMs = untilMs - this.#clock.monoMs();
      if (left.length === 0 || leftMs <= 0) return left;
      await wait(this.#clock, Math.min(LOOK_MS, leftMs), this.#signal);
    }
  }

  /** Marks their leases first: a holder believes for a while without asking, and may not be followed in that time. */
  async #force(left: readonly LeaseRecord[]): Promise<void> {
    const identity = await this.#identity();
    const marks: Replaced[] = [];
    let readyMs = this.#clock.monoMs();
    for (const lease of left) {
      const answer = await this.#revoke(lease, identity, true);
      if (answer.status !== "marked") continue;
      const { sessionId, fencingToken } = lease;
      marks.push({ sessionId, fencingToken, markedAtMs: answer.markedAtMs });
      readyMs = Math.max(readyMs, this.#clock.monoMs() + answer.steadyMs);
    }
    while ((await this.#untilGone(left, readyMs - this.#clock.monoMs())).length > 0) {
      if (this.#clock.monoMs() > readyMs + TAKE_MS) throw this.#failure("could not be taken from its holder");
      await this.#take(left[0]!, { leases: marks, era: identity.era });
      await wait(this.#clock, LOOK_MS, this.#signal);
    }
  }

  /** In their place, if this session is steady enough by now; and given on at once to whoever waits for it. */
  async #take({ mode }: LeaseRecord, revoked: { leases: readonly Replaced[]; era: string }): Promise<void> {
    const { acquisition, holdings } = this.#engine;
    const base = { key: this.#key, lockTtlMs: this.#lockTtlMs, trace: "revoke", waitMs: 0, minHoldMs: 0 };
    const wanted = { ...base, signals: [this.#signal] };
    try {
      const isShared = mode === "shared";
      const acquired = await acquisition.run({ ...wanted, mode: isShared ? "shared" : "exclusive", revoked });
      if ("grant" in acquired) await holdings.release(holdings.add(acquired.grant));
    } catch (error) {
      // What holders of permits are asked for by another mode is refused, but not before the marked ones were dropped.
      if (!(error instanceof LockModeError && mode === "permits")) throw error;
    }
  }

  async #revoke(lease: LeaseRecord, identity: Identity, force: boolean): Promise<RevokeAnswer> {
    const { sessionId, leaseNumber, fencingToken } = lease;
    const request = { key: this.#key, sessionId, leaseNumber, fencingToken, force };
    const answer = await this.#engine.store.revoke(identity, request);
    if (answer.status === "error") throw answer.error;
    const { status } = answer;
    if (status === "condemned" || status === "era" || status === "generation") {
      throw this.#failure("was not asked back: this session has just ended");
    }
    return answer;
  }

  #failure(what: string): StoreError {
    return new StoreError("unreachable", `${JSON.stringify(this.#key)} ${what}`);
  }
}

function isSame(one: LeaseRecord, other: LeaseRecord): boolean {
  return one.leaseNumber === other.leaseNumber && lockerOf(one) === lockerOf(other);
}

/** The session under a lease may change. */
function lockerOf({ sessionId }: LeaseRecord): string {
  return sessionId.slice(0, sessionId.lastIndexOf("."));
}
