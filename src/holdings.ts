import { Alarm, atMost, wait, type Clock } from "./clock.js";
import type { Holder, LeaseRecord } from "./databases/database.js";
import type { LockErrorCode } from "./errors.js";
import { publish } from "./events.js";
import type { GiveBack } from "./give-back.js";
import type { Drain, Ended, Grant, LeaseDeps } from "./grant.js";
import { HeldLease } from "./held-lease.js";
import type { ToWorker } from "./liveness-protocol.js";
import type { Judged, Renewals } from "./renewals.js";
import { isLostBy, type Session, type SessionChange, type Stamp } from "./session.js";
import type { SharedCells } from "./shared-cells.js";

/** How long a lost job waits to be told who has its key now, ms: knowing of the loss matters more. */
const HOLDER_WAIT_MS = 20;
const RETRY_MS = 100;

export type HoldingsDeps = {
  clock: Clock;
  cells: SharedCells;
  session: Session;
  renewals: Renewals;
  giveBack: GiveBack;
  whenUnsure: "wait" | "abort";
  drain: Drain;
  describe(record: LeaseRecord): Promise<Holder>;
  post(message: ToWorker): void;
};

type Why = { holder?: Holder | undefined; cause?: unknown; isMerelyTold?: true };

/** All leases of this locker: renewed, judged after every change of the session, ended when they are lost. */
export class Holdings {
  readonly #deps: HoldingsDeps;
  readonly #leaseDeps: LeaseDeps;
  /** From the grant until the job has ended, lost or not. */
  readonly #leases = new Map<number, HeldLease>();
  readonly #renewing = new Set<HeldLease>();
  /** For those who wait for it, if anybody does. */
  #news: { promise: Promise<void>; tell(): void } | undefined;
  readonly #alarm: Alarm;
  #stopped = false;
  #takenEpoch = 0;

  constructor(deps: HoldingsDeps) {
    this.#deps = deps;
    const { clock, cells, drain, whenUnsure } = deps;
    this.#alarm = new Alarm(clock, () => this.look());
    this.#leaseDeps = {
      ...{ clock, drain, whenUnsure },
      isTrusted: (monoMs, wallMs) => cells.isTrusted(monoMs, wallMs),
      readEpoch: () => cells.readEpoch(),
      renewSoon: (lease) => void this.#renew(lease),
      news: () => this.#nextNews(),
      release: (lease) => this.release(lease),
      lose: (lease, code) => this.#lose(lease, code),
    };
  }

  get size(): number {
    return this.#leases.size;
  }
  get all(): readonly HeldLease[] {
    return [...this.#leases.values()];
  }
  has(leaseNumber: number): boolean {
    return this.#leases.has(leaseNumber);
  }

  add(grant: Grant): HeldLease {
    const lease = new HeldLease(grant, this.#leaseDeps);
    this.#leases.set(lease.leaseNumber, lease);
    this.#deps.cells.writeJobs(this.#leases.size);
    this.#deps.cells.raiseLockTtl(grant.lockTtlMs);
    this.#alarm.by(grant.sent.monoMs + grant.lockTtlMs / 5);
    return lease;
  }

  /** Ends the lease, and tells whether it was ours until now: at once when it was handed on. Never rejects. */
  release(lease: HeldLease, hasFailed = false): Ended | Promise<Ended> {
    if (lease.released) return { heldToTheEnd: !lease.isLost };
    const heir = lease.grant.tenure?.next(lease);
    if (!heir) return this.#end(lease, hasFailed);
    lease.released = true; // in one step with the next one's: whoever looks in between finds one of the two
    const next = lease.handOn(heir.fencingToken, heir.trace);
    this.#leases.set(lease.leaseNumber, next);
    publish("released", () => ({ key: lease.key, fencingToken: lease.fencingToken }));
    heir.receive(next);
    return { heldToTheEnd: true };
  }

  async #end(lease: HeldLease, hasFailed: boolean): Promise<Ended> {
    const { key, leaseNumber, fencingToken, state } = lease;
    lease.released = true;
    this.#leases.delete(leaseNumber);
    this.#deps.cells.writeJobs(this.#leases.size);
    if (lease.isLost) this.#deps.post({ type: "settled", leaseNumber });
    this.tellNews();
    const given = this.#giveBack(lease, hasFailed);
    if (this.#leases.size === 0) this.#deps.giveBack.flush(); // nobody is left who could join it in this turn
    const answer = await this.#deps.giveBack.soon(given);
    publish("released", () => ({ key, fencingToken }));
    // "error": something that is no lease of ours lies under the key.
    if (state === "lost" || answer?.status === "other" || answer?.status === "error") return { heldToTheEnd: false };
    // "absent" may be the second answer to a release whose first one was lost: then what we knew before it decides.
    return { heldToTheEnd: answer?.status === "released" || state === "held" };
  }

  /** Somebody asks for the key back. */
  revoke(leaseNumber: number, fencingToken: number): void {
    const lease = this.#leases.get(leaseNumber);
    if (lease?.grant.recordToken === fencingToken) this.#lose(lease, "revoked", { isMerelyTold: true });
  }

  /** Everybody who waits looks again. */
  tellNews(): void {
    this.#news?.tell();
    this.#news = undefined;
  }

  /** Every job is told to end, with the lease lost or, for a drain, still held. */
  endAll(reason: "closed" | Error): void {
    for (const lease of this.#leases.values()) {
      if (reason === "closed") this.#lose(lease, reason);
      else lease.abortJob(reason);
    }
  }

  /** Whether every job has ended within that time. */
  async settled(timeoutMs: number): Promise<boolean> {
    const untilMs = this.#deps.clock.monoMs() + timeoutMs;
    for (let leftMs = timeoutMs; this.#leases.size > 0 && leftMs > 0; leftMs = untilMs - this.#deps.clock.monoMs()) {
      await atMost(this.#deps.clock, leftMs, this.#nextNews());
    }
    return this.#leases.size === 0;
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm.end();
    this.tellNews();
  }

  /** The session changed: what is held now? Asked again until it was answered, or until the next change asks anew. */
  async judge(change: SessionChange): Promise<void> {
    const { stamp, cause } = change;
    const { cells, session, clock } = this.#deps;
    for (const one of this.all) if (isLostBy(change, one, this.#takenEpoch)) this.#lose(one, "store-lost-data");
    if (cause === "taken") this.#takenEpoch = stamp.epoch;
    const open = () => this.all.filter((lease) => !lease.isLost && lease.epoch !== stamp.epoch);
    for (let left = open(); left.length > 0 && session.isLatest(stamp) && !this.#stopped; left = open()) {
      await Promise.all(left.map((lease) => this.#judgeOne(lease, stamp, cause)));
      if (open().length > 0) await wait(clock, RETRY_MS);
    }
    if (session.isLatest(stamp)) cells.writeJudgedEpoch(stamp.epoch);
    this.tellNews();
  }

  /** Renews what has beaten since its last renewal, and ends what has run out. */
  look(): void {
    this.#alarm.cancel();
    const nowMs = this.#deps.clock.monoMs();
    for (const lease of this.#leases.values()) {
      if (lease.isLost) continue;
      if (nowMs >= lease.endsMs) this.#lose(lease, lease.isUnanswered ? "unreachable" : "expired");
      else if (lease.hasBeaten && nowMs >= lease.renewedMs + lease.lockTtlMs / 10) void this.#renew(lease);
      if (!lease.isLost) this.#alarm.by(Math.min(lease.endsMs, nowMs + lease.lockTtlMs / 5));
    }
  }

  async #judgeOne(lease: HeldLease, stamp: Stamp, cause: SessionChange["cause"]): Promise<void> {
    const isOtherEra = lease.era !== stamp.identity.era;
    const isOtherSession = lease.sessionId !== stamp.identity.sessionId;
    // Only what was surely ours when the store lost its memory is written again.
    if (isOtherEra && !isOtherSession && !lease.isBelieved) return this.#lose(lease, "store-lost-data");
    const judged = await this.#ask(lease, false).catch(() => undefined);
    if (judged?.stamp !== stamp) return;
    const codes = { taken: "revoked", lapsed: "expired" } as Partial<Record<typeof cause, LockErrorCode>>;
    await this.#apply(lease, judged, isOtherEra ? "store-lost-data" : (codes[cause] ?? "session-condemned"));
    // Written anew
    if (judged.answer.status === "held" && (isOtherEra || isOtherSession)) lease.onRenewed(judged.sent);
  }

  /** What an answer means for a lease; it counts only if nothing has happened since it was asked for. */
  async #apply(lease: HeldLease, { answer, stamp }: Judged, code: LockErrorCode): Promise<void> {
    if (!this.#deps.session.isLatest(stamp) || lease.isLost || lease.released) return;
    if (answer.status === "held") {
      lease.onJudged(stamp.identity, stamp.epoch);
      return this.tellNews();
    }
    if (answer.status === "error") return this.#lose(lease, "taken-over", { cause: answer.error });
    if (!answer.lease) return this.#lose(lease, code);
    const holder = this.#deps.describe(answer.lease).catch(() => undefined);
    this.#lose(lease, "taken-over", { holder: await atMost(this.#deps.clock, HOLDER_WAIT_MS, holder) });
  }

  #lose(lease: HeldLease, code: LockErrorCode, why: Why = {}): void {
    if (lease.isLost || lease.released) return;
    const { key, fencingToken, leaseNumber } = lease;
    const { holder, cause, isMerelyTold = code === "closed" } = why;
    lease.onLost(code, { holder, cause, eventLoopLagMs: this.#deps.session.eventLoopLagMs });
    publish("lost", () => ({ key, fencingToken, code }));
    this.#deps.post({ type: "lost", leaseNumber });
    // Nothing of it may stay behind; but a job that is merely told to end keeps its key until it has.
    if (!isMerelyTold) void this.#giveBack(lease);
    this.tellNews();
  }

  async #renew(lease: HeldLease): Promise<void> {
    if (this.#renewing.has(lease) || lease.isLost || lease.released) return;
    const { clock } = this.#deps;
    if (clock.monoMs() < lease.retryFromMs) return this.#alarm.by(lease.retryFromMs); // however often its job beats
    this.#renewing.add(lease);
    if (lease.triedMs <= lease.renewedMs) lease.triedMs = clock.monoMs();
    try {
      const judged = await this.#ask(lease, true);
      const current = this.#current(lease);
      if (judged.answer.status === "held") current.onRenewed(judged.sent);
      await this.#apply(current, judged, "expired");
    } catch {
      lease.retryFromMs = clock.monoMs() + RETRY_MS;
      this.#alarm.by(lease.retryFromMs); // unknown: the lease keeps its old deadline until the next try
    } finally {
      this.#renewing.delete(lease);
    }
  }

  #ask(lease: HeldLease, prolong: boolean): Promise<Judged> {
    const asked = this.#deps.renewals.ask(lease, prolong);
    lease.underWay = Promise.allSettled([lease.underWay, asked]).then(() => {}); // keeps no answer for the next
    return asked;
  }

  /** Whose lease it is now, if it was handed on while something was asked for it. */
  #current(lease: HeldLease): HeldLease {
    return (lease.released && this.#leases.get(lease.leaseNumber)) || lease;
  }

  #giveBack(lease: HeldLease, hasFailed = true) {
    const { key, leaseNumber, underWay, isLost, grant } = lease;
    const keepMs = hasFailed || isLost ? 0 : grant.minHoldMs;
    return this.#deps.giveBack.request(key, leaseNumber, underWay, keepMs);
  }

  #nextNews(): Promise<void> {
    let tell = (): void => {};
    this.#news ??= { promise: new Promise((resolve) => (tell = resolve)), tell: () => tell() };
    return this.#news.promise;
  }
}
