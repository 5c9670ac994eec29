// Waits on a fake clock: a scripted store that says "queued", with its pushes in the test's hand.

import assert from "node:assert/strict";
import type { Wanted } from "../../src/attempt.js";
import type { AcquireRequest, GrantPush, LeaseRecord, Waiter } from "../../src/databases/database.js";
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
    const holders = [this.holder({ sessionId, leaseNumber })];
    this.store.answers.acquire = () => ({ status: "queued", holders, isFirst, unfit, ticket: 1 });
  }

  holder(more: Partial<LeaseRecord> = {}): LeaseRecord {
    const facts = { key: "key", sessionId: "other.1", leaseNumber: 9, fencingToken: 70, acquiredAtMs: 4_000 };
    return { ...facts, era: "era1", trace: "", ...exclusive, ...more };
  }

  /** The store grants so many tokens to whoever asks next. */
  grants(fencingToken: number, lastToken = fencingToken): void {
    this.store.answers.acquire = () => ({ status: "granted", fencingToken, lastToken, acquiredAtMs: 5_000 });
  }

  /** Nobody is before it any more. */
  pushFirst(): void {
    this.acquisition.onPush({ kind: "first", leaseNumber: 1 });
  }

  push(more: Partial<GrantPush> = {}): void {
    const granted = { leaseNumber: 1, fencingToken: 80, lastToken: 80, acquiredAtMs: 5_000 };
    this.acquisition.onPush({ kind: "granted", ...granted, era: "era1", sessionId: "locker.1", ...more });
  }

  wait(more: Partial<Wanted> = {}): Outcome {
    return this.acquire({ waitMs: Infinity, ...more });
  }

  /** What a caller does with a grant. */
  hold(outcome: Outcome): HeldLease {
    if (!outcome.acquired || !("grant" in outcome.acquired)) throw new Error(`not granted: ${outcome.is}`);
    return outcome.acquired.lease ?? this.holdings.add(outcome.acquired.grant);
  }

  get released(): number[] {
    return this.store.sent("release").flatMap(({ batch }) => batch.map(({ leaseNumber }) => leaseNumber));
  }
}

type Lined = { stage: WaitingStage; outcomes: Outcome[] };

/** So many wait in one line, behind another process. */
export async function lined(count: number): Promise<Lined> {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1");
  const outcomes = Array.from({ length: count }, (_unused, i) => stage.wait({ trace: `${i}` }));
  await stage.pass(100);
  return { stage, outcomes };
}

/** The same, and the first of them holds the key with so many tokens. */
export async function granted(count: number, lastToken = 80 + count - 1): Promise<Lined & { lease: HeldLease }> {
  const { stage, outcomes } = await lined(count);
  stage.push({ lastToken });
  await stage.clock.settle();
  return { stage, outcomes, lease: stage.hold(outcomes[0]!) };
}

export const states = (outcomes: readonly Outcome[]): string => outcomes.map(({ is }) => is[0]).join("");
export const asked = (stage: WaitingStage): AcquireRequest[] =>
  stage.store.sent("acquire").flatMap(({ batch }) => batch);

/** A clock that stands still lets nothing be answered. */
export async function settled<T>(stage: WaitingStage, promise: Promise<T> | T): Promise<T> {
  await stage.clock.settle();
  return promise;
}

/** The lease that the holder's release handed on to the next. */
export async function next(stage: WaitingStage, lease: HeldLease, outcome: Outcome): Promise<HeldLease> {
  assert.deepEqual(await settled(stage, stage.holdings.release(lease)), { heldToTheEnd: true });
  await stage.clock.settle();
  return stage.hold(outcome);
}
