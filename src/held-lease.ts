import { wait, type Instant } from "./clock.js";
import type { Identity } from "./databases/database.js";
import { LockError, LockUnsureError, type LockErrorCode, type LockErrorFacts } from "./errors.js";
import type { Grant, LeaseDeps } from "./grant.js";
import type { Heartbeat, Lease, LeaseState } from "./lease.js";
import { joinSignals } from "./signals.js";
import { leaseBelievedFromMs, leaseBelievedUntilMs } from "./trust.js";

/** How often delay() and during() beat, ms. */
const BEAT_MS = 500;
const YES = Promise.resolve();

export class HeldLease implements Lease {
  readonly key: string;
  readonly fencingToken: number;
  readonly leaseNumber: number;
  readonly acquiredAtMs: number;
  readonly lockTtlMs: number;
  readonly trace: string;
  /** Under which session and era the store knows it. */
  sessionId: string;
  era: string;
  /** The last epoch for which it was found to be held. */
  epoch: number;
  /** When the last renewal that was answered was sent, and when the job last beat; monotonic ms. */
  renewedMs: number;
  beatMs: number;
  /** When the first renewal since the last answered one was tried. */
  triedMs = 0;
  /** Before when a renewal that found no answer is not tried again. */
  retryFromMs = 0;
  released = false;
  /** The last request about this lease that may still be under way. */
  underWay: Promise<unknown> | undefined;
  /** What was granted; what has changed since is said above. */
  readonly grant: Grant;
  readonly #deps: LeaseDeps;
  /** Made for the first who looks at the signal, as most jobs do not. */
  #abort: AbortController | undefined;
  #abortReason: Error | undefined;
  #heartbeat: Heartbeat | undefined;
  /** Until when it must be in the store, on both clocks: the monotonic one stands still in a suspended machine. */
  #sent!: Instant;
  #believedUntilMs = 0;
  #believedUntilWallMs = 0;
  #believedFromWallMs = 0;
  #loss: { error: LockError; atMs: number } | undefined;

  /** `heir`: which of the leases it is that are made of the grant; `giver`: who had it until now. */
  constructor(
    grant: Grant,
    deps: LeaseDeps,
    heir: Pick<Grant, "fencingToken" | "trace"> = grant,
    giver: HeldLease | undefined = undefined,
  ) {
    const known = giver ?? grant;
    this.grant = grant;
    this.#deps = deps;
    this.key = grant.key;
    this.fencingToken = heir.fencingToken;
    this.leaseNumber = grant.leaseNumber;
    this.acquiredAtMs = grant.acquiredAtMs;
    this.lockTtlMs = grant.lockTtlMs;
    this.trace = heir.trace;
    this.sessionId = known.sessionId;
    this.era = known.era;
    this.epoch = known.epoch;
    const sent = giver ? giver.#sent : grant.sent;
    this.renewedMs = sent.monoMs;
    this.beatMs = sent.monoMs;
    this.#believe(sent);
  }

  get heartbeat(): Heartbeat {
    return (this.#heartbeat ??= Object.assign(() => (this.#beat() ? YES : this.#slowHeartbeat()), {
      delay: (ms: number) => this.#delay(ms),
      during: <T>(promise: PromiseLike<T>) => this.#during(promise),
    }));
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#abortReason) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }
  /** Whether it must still be in the store, whoever the session's key may have gone to since. */
  get isBelieved(): boolean {
    const { clock } = this.#deps;
    return this.#isBelieved(clock.monoMs(), clock.wallMs());
  }
  /** When the store forgets the lease unless it was renewed since. */
  get endsMs(): number {
    return this.renewedMs + this.lockTtlMs;
  }
  get hasBeaten(): boolean {
    return this.beatMs > this.renewedMs;
  }
  /** Whether a renewal was tried in time and not answered: else the main thread, not the store, was away. */
  get isUnanswered(): boolean {
    return this.triedMs > this.renewedMs && this.triedMs < this.endsMs;
  }
  get isLost(): boolean {
    return this.#loss !== undefined;
  }
  get isDraining(): boolean {
    return this.#deps.drain.reason !== undefined;
  }

  get state(): LeaseState {
    if (this.#loss) return "lost";
    return !this.released && this.#isHeld(this.#deps.clock.monoMs()) ? "held" : "unsure";
  }

  assertHeld(): void {
    this.#throwIfLost();
    if (this.released || !this.#isHeld(this.#deps.clock.monoMs())) {
      throw new LockUnsureError(this.key, this.released);
    }
  }

  async release(): Promise<void> {
    await this.#deps.release(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** A renewal sent at that time was answered with yes. */
  onRenewed(sent: Instant): void {
    if (sent.monoMs < this.renewedMs) return;
    this.renewedMs = sent.monoMs;
    this.#believe(sent);
  }

  /** The same lease for the next job of this process. All that is known of it is copied, and nothing believed anew. */
  handOn(fencingToken: number, trace: string): HeldLease {
    const heir = new HeldLease(this.grant, this.#deps, { fencingToken, trace }, this);
    heir.triedMs = this.triedMs;
    heir.retryFromMs = this.retryFromMs;
    heir.underWay = this.underWay;
    heir.beatMs = this.#deps.clock.monoMs();
    return heir;
  }

  /** It was found to be held, by this session in this era, after all that happened up to this epoch. */
  onJudged({ sessionId, era }: Identity, epoch: number): void {
    this.sessionId = sessionId;
    this.era = era;
    this.epoch = epoch;
  }

  onLost(code: LockErrorCode, facts: Omit<LockErrorFacts, "key">): void {
    if (this.#loss) return;
    const error = new LockError(code, { key: this.key, ...facts });
    this.#loss = { error, atMs: this.#deps.clock.monoMs() };
    this.abortJob(error);
  }

  /** The lease stays; only the job is asked to end. */
  abortJob(reason: Error): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(reason);
  }

  /** The fast path: no I/O, nothing allocated. Clock first, deadlines next, epoch last. */
  #beat(): boolean {
    const monoMs = this.#deps.clock.monoMs();
    if (this.#loss || this.released || this.#deps.drain.reason || !this.#isHeld(monoMs)) return false;
    this.beatMs = monoMs;
    if (monoMs > this.renewedMs + this.lockTtlMs * 0.4) this.#deps.renewSoon(this); // a job that beats rarely
    return true;
  }

  #isHeld(monoMs: number): boolean {
    const { clock, isTrusted, readEpoch } = this.#deps;
    const wallMs = clock.wallMs();
    return isTrusted(monoMs, wallMs) && this.#isBelieved(monoMs, wallMs) && readEpoch() === this.epoch;
  }

  #believe(sent: Instant): void {
    this.#sent = sent;
    this.#believedUntilMs = leaseBelievedUntilMs(sent.monoMs, this.lockTtlMs);
    this.#believedUntilWallMs = leaseBelievedUntilMs(sent.wallMs, this.lockTtlMs);
    this.#believedFromWallMs = leaseBelievedFromMs(sent.wallMs, this.lockTtlMs);
  }

  #isBelieved(monoMs: number, wallMs: number): boolean {
    if (monoMs >= this.#believedUntilMs) return false;
    return wallMs < this.#believedUntilWallMs && wallMs >= this.#believedFromWallMs;
  }

  async #slowHeartbeat(): Promise<void> {
    for (;;) {
      this.#throwIfLost();
      if (this.#deps.drain.reason) throw this.#deps.drain.reason;
      if (this.released) throw new LockUnsureError(this.key, true);
      if (this.#beat()) return;
      if (this.#deps.whenUnsure === "abort") {
        this.#deps.lose(this, "unreachable");
        continue;
      }
      this.beatMs = this.#deps.clock.monoMs();
      if (!this.isBelieved) this.#deps.renewSoon(this);
      await this.#deps.news();
    }
  }

  #throwIfLost(): void {
    if (!this.#loss) return;
    const { error, atMs } = this.#loss;
    const lostForMs = this.#deps.clock.monoMs() - atMs;
    const { code, key, holder, eventLoopLagMs } = error;
    throw new LockError(code, { key, holder, eventLoopLagMs, lostForMs, cause: error.cause });
  }

  async #delay(ms: number): Promise<void> {
    const { clock, drain } = this.#deps;
    const untilMs = clock.monoMs() + ms;
    const awake = joinSignals([this.signal, drain.signal]);
    try {
      await this.heartbeat();
      for (let leftMs = ms; leftMs > 0; leftMs = untilMs - clock.monoMs()) {
        await wait(clock, Math.min(leftMs, BEAT_MS), awake.signal).catch(() => {}); // the heartbeat below says why
        await this.heartbeat();
      }
    } finally {
      awake.dispose();
    }
  }

  async #during<T>(promise: PromiseLike<T>): Promise<T> {
    const { clock } = this.#deps;
    const done = new AbortController();
    const job = Promise.resolve(promise).finally(() => done.abort());
    job.catch(() => {}); // after a loss nobody awaits it any more
    const over = joinSignals([done.signal, this.signal]);
    while (!over.signal.aborted) {
      this.beatMs = clock.monoMs();
      await wait(clock, BEAT_MS, over.signal).catch(() => {}); // `over` says why
    }
    over.dispose();
    if (!done.signal.aborted) this.#throwIfLost(); // aborted by a drain: the lease is held, so let the job end
    return job;
  }
}
