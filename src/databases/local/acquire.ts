import type { AcquireAnswer, AcquireRequest, BatchAnswer, Identity, LeaseMode, Replaced, Waiter } from "../database.js";
import type { LockModeError } from "../../errors.js";
import { modeError } from "../words.js";
import * as holders from "./holders.js";
import { findLease, isCompatible, type Held, type HeldLease, type Wish } from "./holders.js";
import * as queues from "./queue.js";
import type { Queue } from "./queue.js";
import { leaseIdOf } from "./records.js";
import { refusal, steadyFor, type Step } from "./step.js";

/**
 * Grant leases: free keys, keys that may be held together, keys whose lease is of an older era, and keys whose
 * condemned or revoked holder is named. Or queue for them. As acquire.lua: the session must not be condemned, nor the
 * era end, between the look at a key and its grant; and nobody may pass one that waits.
 */
export function acquire(
  step: Step,
  identity: Identity,
  batch: readonly AcquireRequest[],
  asker: { monoMs: number; channel: string },
): BatchAnswer<AcquireAnswer> {
  step.raiseRecovery(identity.recoveryMs);
  const refused = refusal(step, identity);
  if (refused) return { status: refused };
  const answers = batch.map((request) => new Asking(step, identity, request, asker).answer());
  step.saveFence();
  queues.tellGrants(step);
  return { status: "ok", answers };
}

const LETTERS = { exclusive: "x", shared: "s", permits: "p" } as const;

/** One element of a batch. */
class Asking {
  readonly #step: Step;
  readonly #identity: Identity;
  readonly #request: AcquireRequest;
  readonly #asker: { monoMs: number; channel: string };
  readonly #leaseId: string;
  readonly #wish: Wish;
  readonly #unfit: Waiter[] = [];

  constructor(step: Step, identity: Identity, request: AcquireRequest, asker: { monoMs: number; channel: string }) {
    this.#step = step;
    this.#identity = identity;
    this.#request = request;
    this.#asker = asker;
    this.#leaseId = leaseIdOf(identity.lockerId, request.leaseNumber);
    this.#wish = holders.wishOf(this.#leaseId, request);
  }

  answer(): AcquireAnswer {
    const { key, wait } = this.#request;
    const held = this.#look();
    const own = findLease(held, this.#leaseId);
    if (own?.state === "held") return this.#grantAgain(held!, own);
    const isForPermits = this.#wish.mode === "permits" || held?.mode === "permits";
    const misfit = isForPermits && this.#misfit(held ?? this.#wish);
    if (misfit) return { status: "error", error: misfit, holders: holders.describe(this.#step, held) };
    const isFree = isCompatible(held, this.#wish);
    if (!isFree && !wait) return { status: "held", holders: holders.describe(this.#step, held) };
    if (isFree && this.#step.isRecovering) return { status: "recovering" };
    const queue = queues.openQueue(this.#step, key);
    const answer = this.#inTurn(held, queue);
    queues.dropStale(this.#step, queue);
    return answer;
  }

  /**
   * What holds the key, less what counts for nothing any more. An exclusive lease that is replaced is cleared away by
   * the grant alone: while the window is open there is none.
   */
  #look(): Held | undefined {
    const held = holders.current(this.#step, this.#request.key);
    const replaced = this.#request.replace ?? [];
    if (!held || replaced.length === 0) return held;
    const isOver = (lease: HeldLease) => replaced.some((one) => this.#isReplaced(lease, one));
    if (held.mode === "exclusive") return held.leases.some(isOver) && !this.#isOwn(held) ? undefined : held;
    if (this.#step.isRecovering) return held;
    let left: Held | undefined = held;
    for (const lease of held.leases) {
      if (left && lease.leaseId !== this.#leaseId && isOver(lease)) {
        left = holders.removeLease(this.#step, left, lease.leaseId);
      }
    }
    return left;
  }

  #isOwn(held: Held): boolean {
    return findLease(held, this.#leaseId)?.state === "held";
  }

  /**
   * Whether a lease may be taken: its session was found dead, or it bears the mark of a revocation by force and this
   * session has been steady for as long as its holder might still have believed in it.
   */
  #isReplaced(lease: HeldLease, { sessionId, fencingToken, markedAtMs }: Replaced): boolean {
    if (lease.sessionId !== sessionId || lease.token !== fencingToken || lease.state === "kept") return false;
    if (markedAtMs === undefined) return true;
    if (lease.state !== "revoked" || lease.markedMs !== markedAtMs) return false;
    const { steadyMs } = steadyFor(this.#step, this.#identity.sessionId, this.#asker.monoMs);
    return Math.min(steadyMs, this.#step.nowMs - markedAtMs) >= lease.steadyMs;
  }

  /**
   * Permits are given out by one limit, and go with no other mode. Whoever holds the key so is told: if they are dead,
   * it is asked again in their place.
   */
  #misfit(known: { mode: LeaseMode; limit: number }): LockModeError | undefined {
    const { mode, units, limit } = this.#wish;
    const isSame = (mode === "permits") === (known.mode === "permits") && limit === known.limit;
    if (isSame && units <= Math.max(1, limit)) return undefined;
    const wish = { mode: LETTERS[mode], take: units, limit };
    return modeError(this.#request.key, wish, { mode: LETTERS[known.mode], limit: known.limit });
  }

  /** Asked again: its lease lives from now on, and is this session's, also if that followed a condemned one. */
  #grantAgain(held: Held, own: HeldLease): AcquireAnswer {
    const { key, lockTtlMs } = this.#request;
    const lease = { ...own, sessionId: this.#identity.sessionId, untilMs: this.#step.nowMs + lockTtlMs };
    holders.putLease(this.#step, key, held, lease);
    return { status: "granted", fencingToken: own.token, lastToken: own.token, acquiredAtMs: own.atMs };
  }

  #inTurn(before: Held | undefined, queue: Queue): AcquireAnswer {
    const { wait } = this.#request;
    const turn = this.#letOthersFirst(before, queue);
    if ("error" in turn) return { status: "error", error: turn.error };
    const { held, isFirst } = turn;
    if (isFirst && isCompatible(held, this.#wish)) return this.#take(held, queue);
    const told = holders.describe(this.#step, held);
    if (!wait) return { status: "held", holders: told };
    const { lockTtlMs, tokens = 1, trace } = this.#request;
    const { sessionId, era } = this.#identity;
    const ticket = queues.enqueue(this.#step, queue, {
      ...{ ...this.#wish, leaseId: this.#leaseId, sessionId, lockTtlMs, era, tokens, trace },
      ...{ fitUntilMs: this.#step.nowMs + wait.fitForMs, channel: this.#asker.channel },
    });
    return { status: "queued", holders: told, isFirst, unfit: this.#unfit, ticket };
  }

  /** Those who wait are granted what they can be first. */
  #letOthersFirst(held: Held | undefined, queue: Queue): ReturnType<typeof queues.grantNext> | { error: Error } {
    if (queue.entries.length === 0) return { held, isFirst: true };
    if (queue.limit !== this.#wish.limit) {
      const known = { mode: queue.limit > 0 ? "permits" : "exclusive", limit: queue.limit } as const;
      const misfit = queues.firstFit(this.#step, queue) && this.#misfit(known);
      if (misfit) return { error: misfit };
      queues.dropQueue(this.#step, queue);
      return { held, isFirst: true };
    }
    for (const { leaseId, sessionId } of this.#request.wait?.dead ?? []) {
      const entry = queues.findEntry(queue, leaseId);
      if (entry?.sessionId === sessionId) queues.dropEntry(this.#step, queue, entry);
    }
    if (!this.#step.isRecovering) return queues.grantNext(this.#step, held, queue, this.#leaseId, this.#unfit);
    const first = queues.firstFit(this.#step, queue, this.#leaseId, this.#unfit);
    return { held, isFirst: !first || first.leaseId === this.#leaseId };
  }

  #take(before: Held | undefined, queue: Queue): AcquireAnswer {
    const { key, lockTtlMs, tokens = 1, trace } = this.#request;
    const { sessionId } = this.#identity;
    const { leaseId, mode, units, limit } = this.#wish;
    const wish = { leaseId, mode, units, limit, sessionId, lockTtlMs, tokens, trace };
    const { held, token, lastToken, atMs } = queues.grant(this.#step, key, before, wish);
    const entry = queues.findEntry(queue, this.#leaseId);
    if (entry) queues.dropEntry(this.#step, queue, entry);
    // Those behind it that may hold the key with it.
    if (this.#wish.mode !== "exclusive") queues.grantNext(this.#step, held, queue);
    queues.tellFirst(this.#step, queue);
    return { status: "granted", fencingToken: token, lastToken, acquiredAtMs: atMs };
  }
}
