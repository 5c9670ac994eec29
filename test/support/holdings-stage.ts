// Holdings with everything below them but the store and the worker, on a fake clock.

import { readInstant } from "../../src/clock.js";
import type { LeaseRecord } from "../../src/databases/database.js";
import { GiveBack } from "../../src/give-back.js";
import type { Grant } from "../../src/grant.js";
import type { HeldLease } from "../../src/held-lease.js";
import { Holdings, type HoldingsDeps } from "../../src/holdings.js";
import type { SessionCause, SessionState, ToWorker } from "../../src/liveness-protocol.js";
import { Renewals } from "../../src/renewals.js";
import { Session } from "../../src/session.js";
import { SharedCells } from "../../src/shared-cells.js";
import { FakeClock } from "./fake-clock.js";
import { ScriptedLeases } from "./scripted-leases.js";

export const TRUST = 1_300;
export const LOCK_TTL = 300_000;
/** An eighth, as trust.ts has it. */
export const MARGIN = LOCK_TTL / 8;

export class HoldingsStage {
  readonly clock = new FakeClock();
  readonly cells = new SharedCells(TRUST);
  readonly store = new ScriptedLeases();
  readonly posted: ToWorker[] = [];
  readonly session: Session;
  readonly giveBack: GiveBack;
  readonly holdings: Holdings;
  #lastNumber = 0;
  #state: SessionState = {
    ...{ sessionId: "locker.1", era: "era1", lostCounter: 0, recoveryMs: 2_500, recovering: false },
  };

  constructor(more: Partial<HoldingsDeps> = {}) {
    const { clock, cells, store } = this;
    this.session = new Session(
      clock,
      cells,
      "locker",
      (change) => void this.holdings.judge(change),
      () => this.holdings.tellNews(),
    );
    const ended = new AbortController().signal;
    this.giveBack = new GiveBack(store, this.session, clock, ended);
    this.holdings = new Holdings({
      ...{ clock, cells, session: this.session, giveBack: this.giveBack, whenUnsure: "wait" },
      renewals: new Renewals(store, this.session, clock),
      drain: { reason: undefined, signal: ended },
      describe: (record: LeaseRecord) => Promise.reject(new Error(`nobody knows ${record.sessionId}`)),
      post: (message) => this.posted.push(message),
      ...more,
    });
    this.change("begun");
  }

  /** The worker's ping was answered. */
  trust(): void {
    this.cells.writeTrust(this.clock.monoMs(), this.clock.wallMs(), TRUST);
  }

  /** What the worker does when something happened: the epoch first, then trust, then the word. */
  change(cause: SessionCause, more: Partial<SessionState> = {}): void {
    this.#state = { ...this.#state, ...more };
    const epoch = this.cells.raiseEpoch();
    this.trust();
    this.session.receive({ type: "session", epoch, cause, session: this.#state });
  }

  /** Lets time pass with the worker pinging; `beat` with a job that beats as well. */
  async pass(ms: number, beat?: HeldLease): Promise<void> {
    const untilMs = this.clock.monoMs() + ms;
    for (let leftMs = ms; leftMs > 0; leftMs = untilMs - this.clock.monoMs()) {
      this.trust();
      if (beat) await Promise.race([beat.heartbeat(), this.clock.settle()]);
      await this.clock.advance(Math.min(500, leftMs));
    }
    this.trust();
  }

  grant(more: Partial<Grant> = {}): Grant {
    const leaseNumber = ++this.#lastNumber;
    const { sessionId, era } = this.#state;
    const fencingToken = more.fencingToken ?? 1_000 + leaseNumber;
    return {
      ...{ key: `key${leaseNumber}`, mode: "exclusive", minHoldMs: 0, leaseNumber, acquiredAtMs: 77, trace: "t" },
      ...{ fencingToken, recordToken: fencingToken, lastToken: fencingToken },
      ...{ lockTtlMs: LOCK_TTL, sessionId, era, epoch: this.cells.readEpoch() },
      ...{ sent: readInstant(this.clock), ...more },
    };
  }

  lease(more: Partial<Grant> = {}): HeldLease {
    return this.holdings.add(this.grant(more));
  }

  /** How the lease was lost: the code of the error that its signal aborted with. */
  lossOf(lease: HeldLease): string | undefined {
    return lease.isLost ? (lease.signal.reason as { code: string }).code : undefined;
  }
}

/** What one heartbeat comes to, as soon as that is known. */
export function beat(lease: HeldLease): { outcome: string } {
  const seen = { outcome: "waits" };
  lease.heartbeat().then(
    () => (seen.outcome = "yes"),
    (error: { code?: string; name: string }) => (seen.outcome = error.code ?? error.name),
  );
  return seen;
}
