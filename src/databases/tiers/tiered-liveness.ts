import { atMost, wait, type Clock } from "../../clock.js";
import type { BeginRequest, LivenessConnection, LivenessEvents, PingAnswer, PingRequest } from "../database.js";
import { StoreError } from "../../errors.js";
import { trustMs } from "../../trust.js";
import { epochOf, type Tier } from "./epoch.js";
import { Probe } from "./probe.js";
import type { Register } from "./register.js";

/** The longest pause before the next try to connect, ms. */
const RETRY_MS = 250;
/** For how long what a locker sees counts at the least, ms. */
const COUNTS_MS = 3_000;

/** What one locker's connections know together, one after the other. */
export type Served = {
  voter?: string;
  seesRedis: boolean | undefined;
  /** The latest that was told. */
  tier?: Tier;
  /** When it was served last, by PostgreSQL's clock. */
  last?: { epoch: number; atMs: number };
  /** How often it was answered in that epoch. */
  answers?: { epoch: number; count: number };
  aheadMs?: number;
  limits?: Pick<BeginRequest, "disconnectGraceMs" | "pingIntervalMs">;
};

export type TieredLivenessDeps = {
  clock: Clock;
  events: LivenessEvents;
  served: Served;
  register: Register;
  open(tier: Tier, events: LivenessEvents): LivenessConnection;
  /** A connection to Redis while that is not in use. */
  probe(events: LivenessEvents): LivenessConnection;
};

/**
 * The worker's door: one connection to the store in use, and with each ping a question to the register. An answer that
 * brings trust needs both, and the epoch in which the store was opened. Without the register the session's pings go on,
 * so that peers find it alive; it is merely not trusted.
 */
export class TieredLiveness implements LivenessConnection {
  readonly ready: Promise<void>;
  readonly #deps: TieredLivenessDeps;
  readonly #probe: Probe;
  readonly #ended = new AbortController();
  #store: LivenessConnection | undefined;
  #tier: Tier | undefined;
  #isUp = false;

  constructor(deps: TieredLivenessDeps) {
    this.#deps = deps;
    const { clock, served } = deps;
    served.voter ??= clock.freshId(21);
    this.#probe = new Probe(deps.probe, clock, (sees) => (served.seesRedis = sees));
    this.ready = this.#open();
    this.ready.catch((cause: unknown) => this.#close(toStoreError(cause))); // the owner hears why
  }

  listen(sessionId: string): Promise<boolean> {
    return this.#store!.listen(sessionId);
  }

  async begin(request: BeginRequest): Promise<PingAnswer> {
    this.#deps.served.limits = request;
    // The other store numbers its own eras, by its own clock: the register has vouched for who comes from there.
    const lived = request.lived && this.#isHere(request.lived.era) ? request.lived : undefined;
    const ask = (store: LivenessConnection, recoveryMs: number) => store.begin({ ...request, recoveryMs, lived });
    const answer = await this.#askBoth(ask, request.recoveryMs);
    // It was let into an epoch that is over: whether it may enter this one as well, nobody can tell any more.
    const isLate = answer.status === "reenter" && request.mode !== "new" && !this.#isHere(request.era);
    return isLate ? { ...answer, status: "condemned" } : answer;
  }

  async ping(request: PingRequest): Promise<PingAnswer> {
    const { answers } = this.#deps.served;
    // Of two stores' clocks either may be ahead: that is no step. The second answer in an epoch can tell.
    const clockStepped = request.clockStepped && answers?.epoch === this.#tier!.epoch && answers.count >= 2;
    const asked = { ...request, clockStepped };
    const ask = (store: LivenessConnection, recoveryMs: number) => store.ping({ ...asked, recoveryMs });
    const answer = await this.#askBoth(ask, request.recoveryMs);
    if (answer.status !== "reenter" || this.#isHere(request.era)) return answer;
    return this.#mayEnter(request.era) ? { ...answer, isVouched: true } : { ...answer, status: "condemned" };
  }

  async goodbye(sessionId: string): Promise<void> {
    await this.#store!.goodbye(sessionId);
  }

  close(): void {
    this.#close(new StoreError("unreachable", "Two tiers: the connection was closed by its owner"));
  }

  /**
   * Whether a session that lived in that era may enter this epoch. Only from the epoch before, or from one since that
   * the register has forgotten: in one that it missed its keys may have gone to others. And only if it was served as
   * long as anybody else: else these may have condemned it.
   */
  #mayEnter(era: string): boolean {
    const { last, limits } = this.#deps.served;
    const { previous, servedUntilMs } = this.#tier!;
    const lived = epochOf(era)?.epoch ?? 0;
    if (lived < previous || last?.epoch !== lived || !limits) return false;
    return servedUntilMs - last.atMs < trustMs(limits.disconnectGraceMs);
  }

  #isHere(era: string): boolean {
    return epochOf(era)?.epoch === this.#tier!.epoch;
  }

  async #askBoth(
    ask: (store: LivenessConnection, recoveryMs: number) => Promise<PingAnswer>,
    recoveryMs: number,
  ): Promise<PingAnswer> {
    const { served } = this.#deps;
    const tier = this.#tier!;
    const most = Math.max(recoveryMs, served.tier?.recoveryMs ?? 0);
    const [answered, told] = await Promise.allSettled([ask(this.#store!, most), this.#report()]);
    const isAnswered = answered.status === "fulfilled";
    if (!tier.isAway) served.seesRedis = isAnswered;
    if (told.status === "fulfilled" && told.value.epoch !== tier.epoch) throw this.#leave();
    if (!isAnswered) throw toStoreError(answered.reason);
    if (told.status === "rejected") throw toStoreError(told.reason);
    const answer = answered.value;
    if (!this.#isHere(answer.era)) throw this.#leave(); // the next epoch began in between
    const { epoch } = tier;
    served.answers = { epoch, count: served.answers?.epoch === epoch ? served.answers.count + 1 : 1 };
    if (answer.status === "alive" || answer.status === "recovering") served.last = { epoch, atMs: told.value.nowMs };
    if (!tier.isAway) served.aheadMs = Math.max(served.aheadMs ?? -Infinity, answer.nowMs - told.value.nowMs);
    return answer;
  }

  async #report(): Promise<Tier> {
    const { served, register } = this.#deps;
    if ((this.#tier ?? served.tier)?.isAway) this.#probe.look();
    const epoch = this.#tier?.epoch ?? served.tier?.epoch ?? 0;
    const tier = await register.see({
      voter: served.voter!,
      epoch,
      servedMs: served.last?.epoch === epoch ? served.last.atMs : 0,
      seesRedis: served.seesRedis,
      aheadMs: served.aheadMs ?? 0,
      countsMs: Math.max(COUNTS_MS, 3 * (served.limits?.pingIntervalMs ?? 0)),
    });
    if (tier.epoch >= (served.tier?.epoch ?? 0)) served.tier = tier;
    return tier;
  }

  /** Until there is a connection to the store in use. A register that is away does not stop who knew it before. */
  async #open(): Promise<void> {
    const { clock, served, register } = this.#deps;
    void this.#reportWhileOpening();
    while (!this.#isUp) {
      const over = this.#ended.signal;
      const isHeard = register.whenUp(over);
      await (served.tier
        ? atMost(
            clock,
            2 * RETRY_MS,
            isHeard.catch(() => {}),
          )
        : isHeard);
      const tier = await this.#report().catch((cause: unknown) => {
        if (toStoreError(cause).isLasting) throw cause;
        return served.tier;
      });
      over.throwIfAborted();
      if (tier) await this.#connect(tier);
      if (!this.#isUp) await wait(clock, clock.random() * RETRY_MS, over);
    }
  }

  async #connect(tier: Tier): Promise<void> {
    const { open, events, served } = this.#deps;
    const store = open(tier, {
      onPush: () => events.onPush(),
      onClose: (cause) => {
        if (!tier.isAway) served.seesRedis = false;
        if (this.#isUp && this.#store === store) this.#close(toStoreError(cause));
      },
    });
    this.#store = store;
    this.#tier = tier;
    try {
      await store.ready;
      if (served.tier!.epoch === tier.epoch && !this.#ended.signal.aborted) this.#isUp = true;
      else store.close();
    } catch (cause) {
      if (!tier.isAway) served.seesRedis = false;
      if (toStoreError(cause).isLasting) throw cause;
    }
  }

  /** A store that does not answer must not keep us from hearing that it is not in use any more. */
  async #reportWhileOpening(): Promise<void> {
    const { clock, served } = this.#deps;
    const over = this.#ended.signal;
    while (!this.#isUp && !over.aborted) {
      await wait(clock, 2 * RETRY_MS, over).catch(() => {}); // the loop looks whether it is over
      if (this.#isUp || over.aborted) return;
      await this.#report().catch(() => {}); // it is asked again
      if (!this.#isUp && served.tier && this.#tier && served.tier.epoch !== this.#tier.epoch) this.#store?.close();
    }
  }

  #leave(): StoreError {
    const cause = new StoreError("unreachable", "Two tiers: the other one is in use now");
    this.#close(cause);
    return cause;
  }

  #close(cause: StoreError): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(cause);
    this.#probe.close();
    this.#deps.register.close();
    this.#store?.close();
    this.#deps.events.onClose(cause);
  }
}

function toStoreError(cause: unknown): StoreError {
  return cause instanceof StoreError ? cause : new StoreError("unreachable", String(cause), cause);
}
