import { atMost, type Clock, type Timer } from "../src/clock.js";
import type { Database, HostProofs, PingAnswer } from "../src/databases/database.js";
import { StoreError } from "../src/errors.js";
import type { FromWorker, LivenessLimits, SessionCause, SessionState } from "../src/liveness-protocol.js";
import type { SharedCells } from "../src/shared-cells.js";
import { decideReentry, driftMs, trustMs } from "../src/trust.js";
import {
  beginRequest,
  hearAlive,
  nextSession,
  resumedSession,
  stateOf,
  type CurrentSession,
} from "./current-session.js";
import { CANNOT_LISTEN, Links, type Link } from "./links.js";
import { ServiceRecord } from "./service-record.js";
import { StoreClock } from "./store-clock.js";

export type PingerDeps = {
  database: Database;
  clock: Clock;
  cells: SharedCells;
  limits: LivenessLimits;
  lockerId: string;
  labels: Record<string, string>;
  host: string;
  pid: number;
  proofs: HostProofs;
  resume: SessionState | undefined;
  notify(message: FromWorker): void;
};

type Sent = { sequence: number; sessionId: string; monoMs: number; wallMs: number };

/** The session's life: begin, ping, hear of its end, begin the next. Decides nothing about leases. */
export class Pinger {
  readonly #deps: PingerDeps;
  readonly #links: Links;
  readonly #trustMs: number;
  readonly #served: ServiceRecord;
  readonly #storeClock: StoreClock;
  #session: CurrentSession;
  #sequence = 0;
  #handled = 0;
  #clockStepped = false;
  #pingAgain = false;
  #hasFailed = false; // told, and over with the next good answer
  #next: Timer | undefined;
  /** Parked or stopped: it asks for nothing, and no answer counts. */
  #isQuiet = false;
  #stopped = false;

  constructor(deps: PingerDeps) {
    this.#deps = deps;
    const { clock, database, limits, resume, cells } = deps;
    this.#trustMs = trustMs(limits.disconnectGraceMs);
    this.#served = new ServiceRecord(clock, this.#trustMs);
    this.#storeClock = new StoreClock(clock, driftMs(limits.disconnectGraceMs));
    const { recoveryMs } = database;
    this.#session = resume ? resumedSession(resume) : nextSession(deps.lockerId, cells, recoveryMs, "begun");
    this.#links = new Links((events) => database.openLiveness({ clock }, events), clock, {
      onUp: (link) => void this.#exchange(link),
      onPush: () => this.hurry(),
      onBreak: (cause) => this.#onBreak(cause),
    });
  }

  start(): void {
    if (this.#deps.resume) this.#announce();
    this.#links.keep(0);
    this.#schedule(this.#deps.limits.pingIntervalMs);
  }

  /** Trust ends before anybody is told, so that no peer can be granted a key that is still believed here. */
  async stop(goodbye: boolean, withinMs: number): Promise<void> {
    this.#stopped = this.#isQuiet = true;
    this.#next?.cancel();
    this.#endTrust();
    if (goodbye) await atMost(this.#deps.clock, withinMs, this.#goodbye());
    this.#links.close();
  }

  /** The main thread stood still for as long as a lease lives: its leases have run out, so the session ends. */
  park(): void {
    if (this.#isQuiet) return;
    this.#isQuiet = true;
    this.#endTrust();
    void this.#goodbye();
    this.#succeed("lapsed");
  }

  unpark(): void {
    if (!this.#isQuiet || this.#stopped) return;
    this.#isQuiet = false;
    this.hurry();
  }

  async #goodbye(): Promise<void> {
    const { sessionId } = this.#session;
    const links = this.#links.all.filter(({ isUp }) => isUp);
    await Promise.allSettled(links.map(({ connection }) => connection.goodbye(sessionId))); // else peers find it silent
  }

  #tick(): void {
    const { clock, cells, limits } = this.#deps;
    this.#served.onTick();
    if (cells.readBrokenAgoMs(clock.monoMs()) > 2 * limits.sessionTtlMs + 60_000) cells.forgetBroken();
    this.#links.keep(limits.pingIntervalMs);
    for (const link of this.#links.all) void this.#exchange(link);
    this.#schedule(limits.pingIntervalMs);
  }

  #schedule(ms: number): void {
    this.#next?.cancel();
    if (!this.#stopped) this.#next = this.#deps.clock.timer(ms, () => this.#tick());
  }

  /** Ask now: a push, or an answer, said that there is something to hear. */
  hurry(): void {
    const idle = this.#links.all.filter((link) => link.isUp && link.owedSinceMs === undefined);
    if (idle.length === 0) this.#pingAgain = true;
    for (const link of idle) void this.#exchange(link);
  }

  /** One request and its answer, one at a time on a connection. The newest answer counts, whoever brings it. */
  async #exchange(link: Link): Promise<void> {
    if (this.#isQuiet || !link.isUp || link.owedSinceMs !== undefined) return;
    const { clock } = this.#deps;
    link.owedSinceMs = clock.monoMs();
    try {
      while (!this.#isQuiet && link.listensTo !== this.#session.sessionId) {
        const { sessionId } = this.#session; // it may be another one when the store has answered
        if (!(await link.connection.listen(sessionId))) this.#deps.notify(CANNOT_LISTEN);
        link.listensTo = sessionId;
      }
      if (this.#isQuiet) return void (link.owedSinceMs = undefined); // what it begins would outlive the goodbye
      const { sessionId } = this.#session;
      const sent: Sent = { sequence: ++this.#sequence, sessionId, monoMs: clock.monoMs(), wallMs: clock.wallMs() };
      const answer = await this.#send(link);
      link.owedSinceMs = undefined;
      this.#handle(link, sent, answer);
    } catch (cause) {
      link.owedSinceMs = undefined;
      if (this.#links.all.includes(link)) this.#fail(cause); // a break was told, and a connection closed by us is none
    }
    if (this.#pingAgain) {
      this.#pingAgain = false;
      this.hurry();
    }
  }

  #send(link: Link): Promise<PingAnswer> {
    const { stage, sessionId, era, recoveryMs } = this.#session;
    if (stage !== "begun") return link.connection.begin(beginRequest(this.#session, this.#deps));
    return link.connection.ping({ sessionId, era, recoveryMs, clockStepped: this.#clockStepped });
  }

  #handle(link: Link, sent: Sent, answer: PingAnswer): void {
    const session = this.#session;
    if (this.#isQuiet || sent.sessionId !== session.sessionId || sent.sequence <= this.#handled) return;
    this.#handled = sent.sequence;
    this.#links.choose(link);
    this.#clockStepped = this.#storeClock.hasStepped(answer.nowMs, sent.monoMs);
    this.#pingAgain ||= this.#clockStepped;
    session.recoveryMs = Math.max(session.recoveryMs, answer.recoveryMs);
    if (answer.status === "condemned") this.#onCondemned(answer);
    else if (answer.status === "reenter") this.#onNewEra(answer);
    else this.#onAlive(sent, answer);
  }

  #onAlive(sent: Sent, answer: PingAnswer): void {
    const { cells, clock, notify } = this.#deps;
    const session = this.#session;
    const { isNews, windowClosed, mayTrust } = hearAlive(session, answer);
    if (isNews) cells.raiseEpoch(); // before any later trust
    const wasTrusted = cells.isTrusted(clock.monoMs(), clock.wallMs());
    if (mayTrust) {
      cells.writeTrust(sent.monoMs, sent.wallMs, this.#trustMs);
      this.#served.onGood(sent, answer);
    }
    if (isNews) this.#announce();
    else if (!wasTrusted || windowClosed || this.#hasFailed)
      notify({ type: "trusted", recovering: answer.recovering, recoveryMs: session.recoveryMs });
    this.#hasFailed = false;
    if (answer.recovering && answer.openInMs < this.#deps.limits.pingIntervalMs) this.#schedule(answer.openInMs + 1);
  }

  #onCondemned(answer: PingAnswer): void {
    this.#endTrust();
    // One that was here only provisionally had been condemned before the loss: its keys may have been taken since.
    const { stage, mode, era } = this.#session;
    const lostMemory = stage === "reenter" || mode === "provisional" || (era !== "" && answer.era !== era);
    this.#succeed(lostMemory ? "refused" : "condemned");
    this.hurry();
  }

  /** The store lost its memory, and its window is open. */
  #onNewEra({ era, isVouched }: PingAnswer): void {
    const { cells, clock } = this.#deps;
    const session = this.#session;
    if (session.stage === "new") return this.hurry(); // never was anything; ask again
    const isTrusted = cells.isTrusted(clock.monoMs(), clock.wallMs());
    const { hasServed, servedGapMs, ranMs } = this.#served;
    const facts = { hasServed, isTrusted, servedGapMs, ranMs, trustMs: this.#trustMs };
    const reentry = decideReentry({ ...facts, isVouched: isVouched === true });
    cells.raiseEpoch();
    if (reentry === "refused") {
      this.#endTrust();
      this.#succeed("refused");
    } else {
      const mode = reentry === "trusted" ? "trusted" : "provisional";
      const lived = reentry === "vouched" ? undefined : this.#served.lived(reentry === "silent");
      Object.assign(session, { stage: "reenter", mode, lived, enterEra: era, lostCounter: 0, recovering: true });
    }
    this.hurry();
  }

  #succeed(cause: SessionCause): void {
    const { lockerId, cells } = this.#deps;
    this.#session = nextSession(lockerId, cells, this.#session.recoveryMs, cause);
  }

  #announce(): void {
    const { cells, notify } = this.#deps;
    const session = stateOf(this.#session);
    notify({ type: "session", epoch: cells.readEpoch(), cause: this.#session.cause, session });
  }

  #endTrust(): void {
    const { cells, clock } = this.#deps;
    cells.endTrust(clock.monoMs(), clock.wallMs());
    cells.raiseEpoch();
  }

  #onBreak(cause: Error): void {
    this.#deps.cells.writeBrokenAt(this.#deps.clock.monoMs());
    this.#served.onBreak();
    this.#fail(cause);
  }

  #fail(cause: unknown): void {
    if (this.#stopped) return;
    const error = cause instanceof StoreError ? cause : new StoreError("unreachable", String(cause), cause);
    this.#hasFailed = true;
    this.#deps.notify({ type: "failure", code: error.code, message: error.message });
  }
}
