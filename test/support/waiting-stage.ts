// Waits on a fake clock: a scripted store that says "queued", with its pushes in the test's hand.

import type { Wanted } from "../../src/attempt.js";
import type { GrantPush, LeaseRecord, Waiter } from "../../src/databases/database.js";
import type { HeldLease } from "../../src/held-lease.js";
import { AcquisitionStage, type Outcome } from "./acquisition-stage.js";
import { exclusive } from "./lease-facts.js";

export const FIT_FOR = 2_500;

export class WaitingStage extends AcquisitionStage {
  /** The store says that the waiter is queued behind this session's lease, and perhaps is the first there. */
  queuedBehind(
    sessionId: string,
    more: { isFirst?: boolean; unfit?: readonly Waiter[]; leaseNumber?: number } = {},
  ): void {
    const { isFirst = false, unfit = [], leaseNumber = 9 } = more;
    const facts = { key: "key", sessionId, leaseNumber, fencingToken: 70, acquiredAtMs: 4_000, era: "era1", trace: "" };
    const holder: LeaseRecord = { ...facts, ...exclusive };
    this.store.answers.acquire = () => ({ status: "queued", holders: [holder], isFirst, unfit, ticket: 1 });
  }

  /** The store grants so many tokens to whoever asks next. */
  grants(fencingToken: number, lastToken = fencingToken): void {
    this.store.answers.acquire = () => ({ status: "granted", fencingToken, lastToken, acquiredAtMs: 5_000 });
  }

  push(more: Partial<GrantPush> = {}): void {
    const granted = { leaseNumber: 1, fencingToken: 80, lastToken: 80, acquiredAtMs: 5_000 };
    this.acquisition.onPush({ ...granted, era: "era1", sessionId: "locker.1", ...more });
  }

  wait(more: Partial<Wanted> = {}): Outcome {
    return this.acquire({ waitMs: Infinity, ...more });
  }

  /** What a caller does with a grant. */
  hold(outcome: Outcome): HeldLease {
    if (!outcome.acquired || !("grant" in outcome.acquired)) throw new Error(`not granted: ${outcome.is}`);
    return this.holdings.add(outcome.acquired.grant);
  }

  get released(): number[] {
    return this.store.sent("release").flatMap(({ batch }) => batch.map(({ leaseNumber }) => leaseNumber));
  }
}
