// A Pinger on a fake clock and a scripted store, with everything it does to the outside written down.

import { SharedCells } from "../../src/shared-cells.js";
import type { FromWorker, LivenessLimits, SessionState } from "../../src/liveness-protocol.js";
import { trustMs } from "../../src/trust.js";
import { Pinger } from "../../worker/pinger.js";
import { FakeClock } from "./fake-clock.js";
import { ScriptedStore, type ScriptedConnection } from "./scripted-liveness.js";

export const LIMITS: LivenessLimits = {
  lockTtlMs: 300_000,
  sessionTtlMs: 10_000,
  pingIntervalMs: 500,
  disconnectGraceMs: 1_500,
  killAfterMs: undefined,
};
/** What follows from these limits. */
export const TRUST = trustMs(LIMITS.disconnectGraceMs);

const facts = { host: "host", pid: 7, proofs: { bootId: "b", pidNamespace: "p", timeNamespace: "t", startTime: "1" } };

/** Writes down what is done to the cells, since there the order is the protocol. */
class WatchedCells extends SharedCells {
  readonly log: string[] = [];

  override raiseEpoch(): number {
    this.log.push("epoch");
    return super.raiseEpoch();
  }
  override writeTrust(monoMs: number, wallMs: number, forMs: number): void {
    this.log.push("trust");
    super.writeTrust(monoMs, wallMs, forMs);
  }
  override endTrust(monoMs: number, wallMs: number): void {
    this.log.push("end");
    super.endTrust(monoMs, wallMs);
  }
}

export interface StageOptions {
  /** The session that an earlier run of the worker left behind. */
  readonly resume?: SessionState;
  /** How many session ids earlier runs of the worker took. */
  readonly taken?: number;
  /** Whether connections come up by themselves, and are told by themselves that they may listen. */
  readonly opensByItself?: boolean;
  readonly listensByItself?: boolean;
}

export class PingerStage {
  readonly clock = new FakeClock();
  readonly cells = new WatchedCells(TRUST);
  readonly store = new ScriptedStore(this.clock);
  readonly messages: FromWorker[] = [];
  readonly pinger: Pinger;

  constructor({ resume, taken = 0, opensByItself = true, listensByItself = true }: StageOptions = {}) {
    Object.assign(this.store, { opensByItself, listensByItself });
    for (let i = 0; i < taken; i++) this.cells.takeSessionNumber();
    this.pinger = new Pinger({
      ...{ database: this.store.database, clock: this.clock, cells: this.cells, limits: LIMITS, lockerId: "locker" },
      ...{ ...facts, labels: { release: "7" }, resume },
      notify: (message) => this.messages.push(message),
    });
    this.pinger.start();
  }

  /** A stage on which the first session has begun and is trusted; the log and the messages are empty again. */
  static async begun(): Promise<PingerStage> {
    const stage = new PingerStage();
    await stage.clock.settle();
    await stage.answerBegin();
    stage.cells.log.length = 0;
    stage.messages.length = 0;
    return stage;
  }

  /** The newest connection. */
  get connection(): ScriptedConnection {
    const last = this.store.connections.at(-1);
    if (!last) throw new Error("no connection was opened");
    return last;
  }

  get isTrusted(): boolean {
    return this.cells.isTrusted(this.clock.monoMs(), this.clock.wallMs());
  }

  get failures(): string[] {
    return this.messages.flatMap((message) => (message.type === "failure" ? [message.message] : []));
  }

  get changes(): Extract<FromWorker, { type: "session" }>[] {
    return this.messages.flatMap((message) => (message.type === "session" ? [message] : []));
  }

  async answerBegin(answer = this.store.answer()): Promise<void> {
    this.connection.asked("begin").answer(answer);
    await this.clock.settle();
  }

  async answerPing(answer = this.store.answer()): Promise<void> {
    this.connection.asked("ping").answer(answer);
    await this.clock.settle();
  }

  /** Passes that time, each ping answered at once; ends right after the answer to the last. */
  async pings(count: number, answer = () => this.store.answer()): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.clock.advance(LIMITS.pingIntervalMs);
      await this.answerPing(answer());
    }
  }
}
