import { Acquisition } from "./acquisition.js";
import type { Clock, Timer } from "./clock.js";
import { ContentionJudge } from "./contention.js";
import type { Database, DatabaseDescription, Holder, LeaseStore, StorePush } from "./databases/database.js";
import { StoreError } from "./errors.js";
import { GiveBack } from "./give-back.js";
import { Holdings } from "./holdings.js";
import { startInline } from "./inline-worker.js";
import type { Drain } from "./grant.js";
import type { ToWorker, WorkerTask } from "./liveness-protocol.js";
import type { ResolvedOptions } from "./options.js";
import { Renewals } from "./renewals.js";
import { Session, type SessionChange } from "./session.js";
import { SharedCells } from "./shared-cells.js";
import type { Surroundings } from "./surroundings.js";
import { trustMs } from "./trust.js";
import { WorkerHost } from "./worker-host.js";

/** What an engine has in common with the others of its locker. */
export type Crew = {
  lockerId: string;
  /** Of a lease: no two of a locker have the same. */
  nextNumber(): number;
  onDeadlock(leaseNumber: number): void;
  onNewEra(): void;
  /** Its place among the shards of the database. */
  shard: number;
};

/** One session and all that hangs on it, put together: nothing here decides anything. */
export class Engine {
  readonly session: Session;
  readonly store: LeaseStore;
  readonly holdings: Holdings;
  readonly acquisition: Acquisition;
  readonly judge: ContentionJudge;
  readonly #giveBack: GiveBack;
  readonly #worker: WorkerHost;
  readonly #clock: Clock;
  readonly #crew: Crew;
  readonly #ended = new AbortController();

  constructor(
    database: Database,
    description: DatabaseDescription,
    options: ResolvedOptions,
    drain: Drain,
    { clock, startWorker, readHost }: Surroundings,
    crew: Crew,
  ) {
    this.#clock = clock;
    this.#crew = crew;
    const { lockerId, nextNumber } = crew;
    const { sessionTtlMs, pingIntervalMs, acquireTimeoutMs, whenUnsure, workerPath, localHandOffs } = options;
    const cells = new SharedCells(trustMs(options.disconnectGraceMs));
    const session = new Session(
      clock,
      cells,
      lockerId,
      (change) => void this.#onChange(change),
      () => this.#onNews(),
    );
    const store = database.openLeases({ clock, onUp: () => this.#onNews(), onPush: (push) => this.#onPush(push) });
    const giveBack = new GiveBack(store, session, clock, this.#ended.signal);
    const knows = (leaseNumber: number) => this.holdings.has(leaseNumber);
    const judge = new ContentionJudge({
      ...{ clock, store, session, lockerId, sessionTtlMs, knows },
      prove: readHost().prove,
      ended: this.#ended.signal,
    });
    const start = database.isInProcess ? startInline(database, clock, readHost()) : startWorker;
    const renewals = new Renewals(store, session, clock);
    const post = (message: ToWorker) => this.#worker.post(message);
    const holdings = new Holdings({
      ...{ clock, cells, session, renewals, giveBack, whenUnsure, drain, post },
      describe: (record) => judge.describe(record),
    });
    this.acquisition = new Acquisition({
      ...{ clock, store, session, judge, giveBack, acquireTimeoutMs, pingIntervalMs, knows, localHandOffs, nextNumber },
      hurry: () => post({ type: "hurry" }),
    });
    this.#worker = new WorkerHost({
      ...{ clock, cells, workerPath, startWorker: start },
      task: () => this.#task(description, options),
      onMessage: (message) => session.receive(message),
    });
    this.session = session;
    this.store = store;
    this.holdings = holdings;
    this.judge = judge;
    this.#giveBack = giveBack;
    session.start();
    this.#worker.start();
  }

  /** Resolves when an acquire would be answered at once. */
  async warmUp(signal: AbortSignal, withinMs: number): Promise<void> {
    try {
      await this.session.whenTrusted(signal);
      while (this.session.state?.recovering) await this.session.news(signal);
      await this.store.whenUp(signal);
    } catch (error) {
      const last = error instanceof StoreError ? error : undefined;
      throw last?.isLasting ? last : this.session.noAnswer("Not warmed up", withinMs, last);
    }
  }

  async readHolder(key: string, signal: AbortSignal): Promise<Holder | undefined> {
    await this.store.whenUp(signal);
    const leases = await this.store.readHolders(key);
    const era = this.session.state?.era; // a lease of an older one holds nothing: old data may have brought it back
    const held = leases.filter((lease) => lease.isKept || lease.era === (era ?? lease.era));
    const holders = await Promise.all(held.map((lease) => this.judge.describeLiving(lease)));
    return holders.find((holder) => holder !== undefined);
  }

  /** `goodbye`: every job has ended, so that peers may have every key at once. `others`: what else needs the store. */
  async stop(goodbye: boolean, timeoutMs: number, others: Promise<void>): Promise<void> {
    const untilMs = this.#clock.monoMs() + timeoutMs;
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => (timer = this.#clock.timer(timeoutMs, resolve)));
    await Promise.race([Promise.all([this.#giveBack.settled(), others]), timeout]).finally(() => timer?.cancel());
    await this.#worker.stop(goodbye, Math.max(100, untilMs - this.#clock.monoMs()));
    this.#ended.abort();
    this.holdings.stop();
    this.session.stop();
    this.store.close();
  }

  async #onChange(change: SessionChange): Promise<void> {
    this.store.onEra?.(change.stamp.identity.era);
    if (change.eraChanged) {
      void this.judge.writeTombstones();
      this.#crew.onNewEra();
    }
    await this.holdings.judge(change);
  }

  #onPush(push: StorePush): void {
    if (push.kind === "granted" || push.kind === "first") this.acquisition.onPush(push);
    else if (push.kind === "revoked") this.holdings.revoke(push.leaseNumber, push.fencingToken);
    else this.#crew.onDeadlock(push.leaseNumber);
  }

  #onNews(): void {
    this.holdings?.tellNews();
  }

  #task(database: DatabaseDescription, options: ResolvedOptions): Omit<WorkerTask, "cells"> {
    const { lockerId, shard } = this.#crew;
    const { lockTtlMs, sessionTtlMs, pingIntervalMs, disconnectGraceMs, labels } = options;
    const killAfterMs = options.seppuku === "kill" ? options.killAfterMs : undefined;
    return {
      ...{ database, shard, lockerId, labels },
      limits: { lockTtlMs, sessionTtlMs, pingIntervalMs, disconnectGraceMs, killAfterMs },
      resume: this.session.state,
      lostJobs: this.holdings.all.filter(({ isLost }) => isLost).map(({ leaseNumber }) => leaseNumber),
    };
  }
}
