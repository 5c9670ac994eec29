// Acquires on a fake clock, with a scripted store below them and the worker in the test's hand.

import { Acquisition } from "../../src/acquisition.js";
import type { Acquired, Wanted } from "../../src/attempt.js";
import { ContentionJudge, type ContentionDeps } from "../../src/contention.js";
import type { LeaseRecord } from "../../src/databases/database.js";
import { HoldingsStage, LOCK_TTL } from "./holdings-stage.js";
import { exclusive } from "./lease-facts.js";

export const ACQUIRE_TIMEOUT = 10_000;
export const PING_INTERVAL = 500;

/** What has become of an acquire so far. */
export interface Outcome {
  acquired?: Acquired;
  error?: Error & { code?: string };
  /** In one word. */
  readonly is: string;
}

export class AcquisitionStage extends HoldingsStage {
  readonly acquisition: Acquisition;
  hurries = 0;

  constructor(prove: ContentionDeps["prove"] = () => "unknown") {
    super();
    const { clock, store, session, giveBack, holdings } = this;
    const knows = (leaseNumber: number): boolean => holdings.has(leaseNumber);
    const ended = new AbortController().signal;
    const judge = new ContentionJudge({
      ...{ clock, store, session, lockerId: "locker", sessionTtlMs: 10_000, prove, knows, ended },
    });
    let lastNumber = 0;
    this.acquisition = new Acquisition({
      ...{ clock, store, session, judge, giveBack, knows },
      nextNumber: () => ++lastNumber,
      ...{ acquireTimeoutMs: ACQUIRE_TIMEOUT, pingIntervalMs: PING_INTERVAL },
      localHandOffs: { count: 1_000, ms: 50 },
      hurry: () => void (this.hurries += 1),
    });
  }

  acquire(more: Partial<Wanted> = {}): Outcome {
    const usual = { key: "key", lockTtlMs: LOCK_TTL, trace: "", waitMs: 0, mode: "exclusive", minHoldMs: 0 } as const;
    const wanted = { ...usual, signals: [], ...more };
    const outcome: { acquired?: Acquired; error?: Error; readonly is: string } = {
      get is() {
        if (this.error) return this.error.message;
        if (!this.acquired) return "waits";
        return "grant" in this.acquired ? "granted" : "busy";
      },
    };
    this.acquisition.run(wanted).then(
      (acquired) => (outcome.acquired = acquired),
      (error: Error) => (outcome.error = error),
    );
    return outcome;
  }

  /** The store says who holds the key. */
  heldBy(sessionId: string, leaseNumber = 9): void {
    const lease: LeaseRecord = {
      ...{ key: "key", sessionId, leaseNumber, fencingToken: 70, acquiredAtMs: 4_000, era: "era1", trace: "" },
      ...exclusive,
    };
    this.store.answers.acquire = () => ({ status: "held", holders: [lease] });
  }

  /** The store grants from now on. */
  free(): void {
    delete this.store.answers.acquire;
  }

  get asked(): number {
    return this.store.sent("acquire").length;
  }
}
