import type { Clock, Instant, Patience } from "./clock.js";
import type { ContentionJudge } from "./contention.js";
import type {
  AcquireAnswer,
  AcquireRequest,
  GrantPush,
  Holder,
  LeaseMode,
  LeaseRecord,
  LeaseStore,
  Permits,
  Replaced,
  Waiter,
  WaiterPush,
} from "./databases/database.js";
import type { StoreError } from "./errors.js";
import { publish, type Condemned } from "./events.js";
import type { GiveBack } from "./give-back.js";
import { makeGrant, type Grant } from "./grant.js";
import type { HeldLease } from "./held-lease.js";
import type { Session, Stamp } from "./session.js";
import { joinSignals, type JoinedSignal } from "./signals.js";
import { Rest, type OnGrantPush, type Rested } from "./waiting/rest.js";
import { Watch } from "./waiting/watch.js";

/**
 * Who asks again in a hurry does so because something has just changed, which is rare. Beyond a burst the pace is one
 * look in so many ms, whatever the store answers: a look takes up to three commands.
 */
const HURRY_MS = 75;
const HURRY_BURST = 5;
/** For how long an asking shows that its main thread runs, ms: more than two of the next ones. */
const FIT_FOR_MS = 2_500;
/** How soon one who has become the first of its queue asks who holds the key, ms: most are granted it before. */
const FIRST_MS = 100;

export type AcquisitionDeps = {
  clock: Clock;
  store: LeaseStore;
  session: Session;
  judge: ContentionJudge;
  giveBack: GiveBack;
  acquireTimeoutMs: number;
  pingIntervalMs: number;
  localHandOffs: { count: number; ms: number };
  /** Of the next lease. */
  nextNumber(): number;
  /** Whether this locker knows the lease that the store says is its own. */
  knows(leaseNumber: number): boolean;
  /** Asks the worker to look at once. */
  hurry(): void;
};

export type Wanted = {
  key: string;
  lockTtlMs: number;
  trace: string;
  waitMs: number;
  mode: LeaseMode;
  /** For mode "permits". `perProcess`: how many this process has at most. */
  permits?: { limit: number; take: number; perProcess: number };
  /** How long the key stays taken after the grant when the job succeeds, ms; 0: not at all. */
  minHoldMs: number;
  /** Leases that were revoked by force, and in which era: the key is taken from them. */
  revoked?: { leases: readonly Replaced[]; era: string };
  /**
   * Called whenever this wait was put into the key's queue, with the lease number and the ticket of its entry, or into
   * a line of this process that stands in the queue or holds the key already: then with the line's lease number, and no
   * ticket.
   */
  onQueued?: (entry: { leaseNumber: number; ticket?: number }) => void;
  /** Aborts when the caller, a drain or close() says so. */
  signals: readonly AbortSignal[];
};

/** What is asked for under one lease number; read anew each time it is sent. */
export type Asked = {
  readonly key: string;
  readonly lockTtlMs: number;
  readonly trace: string;
  readonly mode: LeaseMode;
  readonly permits?: Permits | undefined;
  readonly minHoldMs: number;
  /** How many leases could be used, one after the other. */
  readonly tokens: number;
  /** Whether it queues for the key. */
  readonly queues: boolean;
};

/** `lease`: made already, in the instant of a hand-off. */
export type Acquired = { grant: Grant; lease?: HeldLease } | { holder: Holder };

export type Answered = { answer: AcquireAnswer | { status: "again" }; stamp: Stamp; sent: Instant };

export type AttemptDeps = AcquisitionDeps & {
  /** Of those to whom the store owes an answer. */
  patience: Patience<Attempt>;
};
type TakenOver = { replace: AcquireRequest["replace"]; takenFrom?: Condemned | undefined };

/** What one lease number knows of itself until it is granted. */
export class Attempt {
  readonly leaseNumber: number;
  readonly asked: Asked;
  inFlight: Promise<Answered> | undefined;
  lastError: StoreError | undefined;
  /** Who holds the key, as the store said last. */
  holders: readonly LeaseRecord[] = [];
  /** Whether nobody else was before it then. */
  isFirst = false;
  /** When it was queued, the store's µs. */
  ticket: number | undefined;
  /** Waiters before it that were found dead; its next asking says so. */
  readonly dead: Waiter[] = [];
  readonly watch = new Watch();
  /** What becomes of a grant that is told while it rests. */
  onGrantPush: OnGrantPush = () => false;
  readonly #rest: Rest;
  readonly #deps: AttemptDeps;
  /** Aborts when the caller, the locker or the store's silence says so. */
  readonly stop: JoinedSignal;
  #replace: AcquireRequest["replace"];
  #replaceEra = "";
  #takenFrom: Condemned | undefined;
  #unsureSinceMs: number | undefined;
  #hurryFromMs = -Infinity;

  constructor(leaseNumber: number, asked: Asked, signals: readonly AbortSignal[], deps: AttemptDeps) {
    this.leaseNumber = leaseNumber;
    this.asked = asked;
    this.#deps = deps;
    this.stop = joinSignals(signals);
    this.#rest = new Rest(deps.clock);
    deps.patience.begin(this);
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }
  /** Whom it took the key from, if it was granted in the place of a dead holder. */
  get takenFrom(): Condemned | undefined {
    return this.#takenFrom;
  }

  /** How long a holder that cannot be judged yet is still waited for: its own limit, and a ping. */
  unsureLeftMs(limitMs: number): number {
    const nowMs = this.#deps.clock.monoMs();
    this.#unsureSinceMs ??= nowMs;
    return this.#unsureSinceMs + limitMs + 2 * this.#deps.pingIntervalMs - nowMs;
  }

  /** How long to wait before asking again in a hurry, ms: not at all, unless that has been done too often of late. */
  hurryPauseMs(): number {
    const { clock } = this.#deps;
    const nowMs = clock.monoMs();
    this.#hurryFromMs = Math.max(this.#hurryFromMs, nowMs - HURRY_BURST * HURRY_MS) + HURRY_MS;
    const waitMs = this.#hurryFromMs - nowMs;
    return waitMs <= 0 ? 0 : waitMs * (0.5 + clock.random());
  }

  /**
   * What to ask for in that era. A holder found dead in an earlier one is not replaced: it may have entered this era
   * since, and have written its lease again under the same session and token.
   */
  request(era: string): AcquireRequest {
    const { key, lockTtlMs, trace, mode, permits, tokens, queues } = this.asked;
    const replace = this.#replaceEra === era ? this.#replace : undefined;
    const wait = queues ? { fitForMs: FIT_FOR_MS, dead: [...this.dead] } : undefined;
    return { key, lockTtlMs, trace, mode, permits, tokens, wait, leaseNumber: this.leaseNumber, replace };
  }

  /** The store answered: from here on it has acquireTimeoutMs for the next answer. */
  onAnswer(): void {
    this.#deps.patience.begin(this);
    this.#replace = undefined;
    this.#takenFrom = undefined;
  }

  /** It stands in the queue. */
  onQueued(answer: Extract<AcquireAnswer, { status: "held" | "queued" }>): void {
    this.onAnswer();
    this.holders = answer.holders;
    this.isFirst = answer.status === "held" || answer.isFirst;
    if (answer.status === "queued") this.ticket = answer.ticket;
    this.dead.length = 0; // they were told; whoever is still there is found dead again
  }

  /** Its holders are dead or revoked by force: ask in place of exactly these leases, as they were found in that era. */
  take({ replace, takenFrom }: TakenOver, era: string): void {
    this.#replace = replace;
    this.#replaceEra = era;
    this.#takenFrom = takenFrom;
  }

  /** Waits in the queue for so long, a grant, a wake() or an abort. Meanwhile the store owes no answer. */
  async rest(ms: number): Promise<Rested> {
    this.#deps.patience.end(this);
    try {
      return await this.#rest.take(ms, this.signal, this.onGrantPush);
    } finally {
      this.#deps.patience.begin(this);
    }
  }

  /** Something has changed: it is asked again at once; or, with an error, what was done for it has failed. */
  wake(error?: Error): void {
    this.#rest.wake(error);
  }

  onPush(push: WaiterPush): void {
    if (push.kind === "granted") this.#rest.onPush(push);
    else if (!this.isFirst) this.#rest.shorten(FIRST_MS);
  }

  grant(answer: Omit<GrantPush, "leaseNumber" | "era" | "sessionId">, { stamp, sent }: Answered): Grant {
    return makeGrant(this.asked, answer, { leaseNumber: this.leaseNumber, stamp, sent });
  }

  abort(reason: Error): void {
    this.stop.abort(reason);
  }

  end(): void {
    this.#deps.patience.end(this);
    this.stop.dispose();
  }

  /** The store has owed an answer for too long; unless it is among what has just arrived. */
  onLate(): void {
    const { acquireTimeoutMs, clock, session } = this.#deps;
    clock.afterInput(() => {
      const what = `${JSON.stringify(this.asked.key)} was not acquired`;
      this.stop.abort(session.noAnswer(what, acquireTimeoutMs, this.lastError));
    });
  }
}

/** Somebody of this process holds the key from now on. */
export function tellGranted({ key, fencingToken }: Grant | HeldLease, waitedMs: number, attempt?: Attempt): void {
  publish("granted", () => ({ key, fencingToken, waitedMs, takenFrom: attempt?.takenFrom }));
}

export function tellBusy({ key, sessionId, fencingToken }: LeaseRecord): void {
  publish("busy", () => ({ key, sessionId, fencingToken }));
}
