import type { Clock, Timer } from "../src/clock.js";
import type { BeginRequest, Database, HostProofs, PingAnswer } from "../src/databases/database.js";
import { StoreError } from "../src/errors.js";
import type { FromWorker, LivenessLimits, SessionCause, SessionState } from "../src/liveness-protocol.js";
import type { SharedCells } from "../src/shared-cells.js";
import { decideReentry, driftMs, offsetInterval, steppedForwardMs, trustMs, type OffsetInterval } from "../src/trust.js";
import { Links, type Link } from "./links.js";

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
  sessionsUsed: number;
  notify(message: FromWorker): void;
};

type Current = SessionState & {
  /** What the next exchange is: write the record, enter a new era, or ping. */
  stage: "new" | "reenter" | "begun";
  mode: BeginRequest["mode"];
  enterEra: string;
  cause: SessionCause;
};

type Sent = { sequence: number; sessionId: string; monoMs: number; wallMs: number };

/** The session's life: begin, ping, hear of its end, begin the next. Decides nothing about leases. */
export class Pinger {
  readonly #deps: PingerDeps;
  readonly #links: Links;
  readonly #trustMs: number;
  #session: Current;
  #sequence = 0;
  #handled = 0;
  #lastGood = { monoMs: 0, wallMs: 0 };
  #broken: { monoMs: number; wallMs: number } | undefined;
  #ranWithoutGap = true;
  #lastTickMs: number;
  #offset: OffsetInterval | undefined;
  #localOffsetMs: number;
  #clockStepped = false;
  #pingAgain = false;
  #isParked = false;
  #next: Timer | undefined;
  #stopped = false;

  constructor(deps: PingerDeps) {
    this.#deps = deps;
    this.#trustMs = trustMs(deps.limits.disconnectGraceMs);
    this.#lastTickMs = deps.clock.monoMs();
    this.#localOffsetMs = deps.clock.wallMs() - this.#lastTickMs;
    this.#session = deps.resume
      ? { ...deps.resume, stage: "begun", mode: "trusted", enterEra: "", cause: "resumed" }
      : this.#freshSession("begun", deps.sessionsUsed, deps.database.recoveryMs);
    const context = { clock: deps.clock };
    this.#links = new Links((events) => deps.database.openLiveness(context, events), deps.clock, {
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
  async stop(goodbye: boolean): Promise<void> {
    this.#stopped = true;
    this.#next?.cancel();
    this.#endTrust();
    const link = this.#links.all.find(({ isUp }) => isUp);
    if (goodbye && link && this.#session.stage !== "new") {
      await link.connection.goodbye(this.#session.sessionId).catch(() => {}); // then peers find it silent
    }
    this.#links.close();
  }

  /** The main thread stood still for as long as a lease lives: its leases have run out, so the session ends. */
  park(): void {
    if (this.#isParked || this.#stopped) return;
    this.#isParked = true;
    this.#endTrust();
    const { sessionId, stage } = this.#session;
    const link = this.#links.all.find(({ isUp }) => isUp);
    if (link && stage !== "new") link.connection.goodbye(sessionId).catch(() => {}); // then peers find it silent
    this.#succeed("lapsed");
  }

  unpark(): void {
    if (!this.#isParked) return;
    this.#isParked = false;
    this.hurry();
  }

  #tick(): void {
    const { clock, cells, limits } = this.#deps;
    const nowMs = clock.monoMs();
    if (nowMs - this.#lastTickMs > this.#trustMs) this.#ranWithoutGap = false;
    this.#lastTickMs = nowMs;
    if (cells.readBrokenAgoMs(nowMs) > 2 * limits.sessionTtlMs + 60_000) cells.forgetBroken();
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

  /** One request and its answer. One at a time on a connection; the newest answer counts, whichever connection brings it. */
  async #exchange(link: Link): Promise<void> {
    if (this.#stopped || this.#isParked || !link.isUp || link.owedSinceMs !== undefined) return;
    const { clock } = this.#deps;
    link.owedSinceMs = clock.monoMs();
    try {
      const { sessionId } = this.#session;
      if (link.listensTo !== sessionId) {
        await link.connection.listen(sessionId);
        link.listensTo = sessionId;
      }
      const sent: Sent = { sequence: ++this.#sequence, sessionId, monoMs: clock.monoMs(), wallMs: clock.wallMs() };
      const answer = await this.#send(link);
      link.owedSinceMs = undefined;
      this.#handle(link, sent, answer);
    } catch (cause) {
      link.owedSinceMs = undefined;
      this.#fail(cause);
    }
    if (this.#pingAgain) {
      this.#pingAgain = false;
      this.hurry();
    }
  }

  #send(link: Link): Promise<PingAnswer> {
    const { limits, labels, host, pid, proofs } = this.#deps;
    const { stage, sessionId, era, recoveryMs, mode, enterEra } = this.#session;
    if (stage === "begun") {
      return link.connection.ping({ sessionId, era, recoveryMs, clockStepped: this.#clockStepped });
    }
    const { sessionTtlMs, disconnectGraceMs, pingIntervalMs } = limits;
    const drift = driftMs(disconnectGraceMs);
    const told = { sessionTtlMs, disconnectGraceMs, pingIntervalMs, driftMs: drift, host, pid, labels, proofs };
    return link.connection.begin({ sessionId, mode, era: enterEra, recoveryMs, ...told });
  }

  #handle(link: Link, sent: Sent, answer: PingAnswer): void {
    const session = this.#session;
    if (this.#stopped || this.#isParked || sent.sessionId !== session.sessionId || sent.sequence <= this.#handled) return;
    this.#handled = sent.sequence;
    this.#links.choose(link);
    this.#compareClocks(sent, answer);
    session.recoveryMs = Math.max(session.recoveryMs, answer.recoveryMs);
    if (answer.status === "condemned") this.#onCondemned(answer);
    else if (answer.status === "reenter") this.#onNewEra(answer.era);
    else this.#onAlive(sent, answer);
  }

  #onAlive(sent: Sent, answer: PingAnswer): void {
    const { cells, clock, notify } = this.#deps;
    const session = this.#session;
    const windowClosed = session.recovering && !answer.recovering;
    const changed = session.stage !== "begun" || answer.era !== session.era;
    const settled = windowClosed && session.mode === "provisional" && !changed;
    const taken = !changed && answer.lostCounter !== session.lostCounter;
    if (changed && session.stage !== "new") session.cause = "reentered";
    if (settled) session.cause = "settled";
    if (taken) session.cause = "taken";
    Object.assign(session, { stage: "begun", era: answer.era, lostCounter: answer.lostCounter });
    session.recovering = answer.recovering;
    if (windowClosed) session.mode = "trusted";
    if (changed || settled || taken) cells.raiseEpoch(); // before any later trust
    const wasTrusted = cells.isTrusted(clock.monoMs(), clock.wallMs());
    if (answer.status === "alive") {
      cells.writeTrust(sent.monoMs, sent.wallMs, this.#trustMs);
      this.#lastGood = { monoMs: sent.monoMs, wallMs: sent.wallMs };
      this.#broken = undefined;
      this.#ranWithoutGap = true;
    }
    if (changed || settled || taken) this.#announce();
    else if (!wasTrusted || windowClosed) {
      notify({ type: "trusted", recovering: answer.recovering, recoveryMs: session.recoveryMs });
    }
    if (answer.recovering && answer.openInMs < this.#deps.limits.pingIntervalMs) this.#schedule(answer.openInMs + 1);
  }

  #onCondemned(answer: PingAnswer): void {
    this.#endTrust();
    const lostMemory = this.#session.stage === "reenter" || (this.#session.era !== "" && answer.era !== this.#session.era);
    this.#succeed(lostMemory ? "refused" : "condemned");
    this.hurry();
  }

  /** The store lost its memory, and its window is open. */
  #onNewEra(era: string): void {
    const { cells, clock } = this.#deps;
    const session = this.#session;
    if (session.stage === "new") return this.hurry(); // never was anything; ask again
    const between = (b: { monoMs: number; wallMs: number }) =>
      Math.max(b.monoMs - this.#lastGood.monoMs, b.wallMs - this.#lastGood.wallMs);
    const reentry = decideReentry({
      isTrusted: cells.isTrusted(clock.monoMs(), clock.wallMs()),
      lastGoodMs: 0,
      brokenAtMs: this.#broken && between(this.#broken),
      ranWithoutGap: this.#ranWithoutGap,
      trustMs: this.#trustMs,
    });
    cells.raiseEpoch();
    if (reentry === "refused") {
      this.#endTrust();
      this.#succeed("refused");
    } else {
      Object.assign(session, { stage: "reenter", mode: reentry, enterEra: era, lostCounter: 0, recovering: true });
    }
    this.hurry();
  }

  #succeed(cause: SessionCause): void {
    const { sessionsUsed, recoveryMs } = this.#session;
    this.#session = this.#freshSession(cause, sessionsUsed, recoveryMs);
  }

  #freshSession(cause: SessionCause, sessionsUsed: number, recoveryMs: number): Current {
    const used = sessionsUsed + 1;
    const sessionId = `${this.#deps.lockerId}.${used.toString(36)}`;
    const state = { sessionId, sessionsUsed: used, era: "", lostCounter: 0, recoveryMs, recovering: false };
    return { ...state, stage: "new", mode: "new", enterEra: "", cause };
  }

  #announce(): void {
    const { sessionId, sessionsUsed, era, lostCounter, recoveryMs, recovering, cause } = this.#session;
    const session = { sessionId, sessionsUsed, era, lostCounter, recoveryMs, recovering };
    this.#deps.notify({ type: "session", epoch: this.#deps.cells.readEpoch(), cause, session });
  }

  #endTrust(): void {
    const { cells, clock } = this.#deps;
    cells.endTrust(clock.monoMs(), clock.wallMs());
    cells.raiseEpoch();
  }

  /** A step of the store's clock is certain only when no delay can explain it; a step of our own clocks is none of its. */
  #compareClocks(sent: Sent, answer: PingAnswer): void {
    const { clock, limits } = this.#deps;
    const receivedMs = clock.monoMs();
    const drift = driftMs(limits.disconnectGraceMs);
    const localOffsetMs = clock.wallMs() - receivedMs;
    const ownStep = Math.abs(localOffsetMs - this.#localOffsetMs) > drift;
    const offset = offsetInterval(answer.nowMs, sent.monoMs, receivedMs);
    this.#clockStepped = this.#offset !== undefined && !ownStep && steppedForwardMs(this.#offset, offset) > drift;
    this.#offset = offset;
    this.#localOffsetMs = localOffsetMs;
    if (this.#clockStepped) this.#pingAgain = true;
  }

  #onBreak(cause: Error): void {
    const { cells, clock } = this.#deps;
    const nowMs = clock.monoMs();
    cells.writeBrokenAt(nowMs);
    this.#broken ??= { monoMs: nowMs, wallMs: clock.wallMs() };
    this.#fail(cause);
  }

  #fail(cause: unknown): void {
    if (this.#stopped) return;
    const error = cause instanceof StoreError ? cause : new StoreError("unreachable", String(cause), cause);
    this.#deps.notify({ type: "failure", code: error.code, message: error.message });
  }
}
