import { hostClockUs, type Clock, type Timer } from "../../../clock.js";
import { OptionError, StoreError } from "../../../errors.js";
import type { LocalConnection, LocalEvents } from "../door.js";
import { Step, type StoreFacts } from "../step.js";
import type { SqliteDriver } from "./driver.js";
import { isBusy, isFatal, isFull, toStoreError } from "./sqlite-errors.js";
import { identify, makeFile, openFile, refuseNetworkFile, type SqliteRole } from "./sqlite-file.js";
import { SqliteRecords } from "./sqlite-records.js";

/** The longest pause before a step that met another's tries again, ms. */
const RETRY_MS_MAX = 4;

export type FileSettings = {
  path: string;
  /** A step that cannot begin for so long is given up, ms. */
  lockTimeoutMs: number;
  allowNetworkFile: boolean;
};
export type HostPart = Pick<StoreFacts, "boot" | "timeNamespace" | "isSilent" | "isGone">;

type Job = { untilMs: number; hasMadeRoom?: boolean; execute(): void; reject(cause: StoreError): void };
type Open = { db: SqliteDriver; records: SqliteRecords; facts: StoreFacts };

/**
 * One connection to the file. Each step is one transaction that takes the file's write lock first; one that meets
 * another's waits a few ms in SQLite, then tries again by a timer: nothing could stop a thread that waits in SQLite.
 */
export class SqliteConnection implements LocalConnection {
  readonly ready: Promise<void>;
  readonly #settings: FileSettings;
  readonly #role: SqliteRole;
  readonly #clock: Clock;
  readonly #events: LocalEvents;
  readonly #host: HostPart;
  #open: Open | undefined;
  #jobs: Job[] = [];
  #retry: Timer | undefined;
  #watch: Timer | undefined;
  #watchMs: number | undefined;
  #seenVersion: unknown;
  #isClosed = false;

  constructor(settings: FileSettings, role: SqliteRole, host: HostPart, clock: Clock, events: LocalEvents) {
    this.#settings = settings;
    this.#role = role;
    this.#host = host;
    this.#clock = clock;
    this.#events = events;
    this.ready = new Promise((resolve, reject) => {
      this.#jobs.push({ untilMs: this.#untilMs(), execute: () => (this.#openNow(), resolve()), reject });
      clock.afterInput(() => this.#work());
    });
    this.ready.catch((cause: StoreError) => this.#break(cause));
  }

  run<T>(work: (step: Step) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new StoreError("unreachable", `SQLite ${this.#settings.path}: closed`));
      this.#jobs.push({ untilMs: this.#untilMs(), execute: () => resolve(this.#transact(work)), reject });
      if (!this.#retry) this.#work();
    });
  }

  hasPushes(doorId: string): boolean {
    return this.#open?.records.hasFresh("push", doorId) ?? false;
  }

  watch(everyMs: number | undefined): void {
    this.#watchMs = everyMs;
    this.#watch?.cancel();
    this.#watch = undefined;
    if (everyMs !== undefined && !this.#isClosed) this.#watch = this.#clock.timer(everyMs, () => this.#look());
  }

  close(last?: (step: Step) => void): void {
    if (this.#isClosed) return;
    try {
      if (last && this.#open) this.#transact(last);
    } catch (cause) {
      if (!isBusy(cause)) this.#settle(toStoreError(cause, this.#settings.path)); // closed in any case
    }
    this.#close(new StoreError("unreachable", `SQLite ${this.#settings.path}: closed`));
  }

  /** Jobs in their order, until there is none or one has to wait. */
  #work(): void {
    this.#retry = undefined;
    while (this.#jobs.length > 0 && !this.#isClosed) {
      const job = this.#jobs[0]!;
      try {
        job.execute();
      } catch (cause) {
        if (isBusy(cause) && this.#clock.monoMs() < job.untilMs) return this.#tryAgain();
        if (isFull(cause) && this.#makesRoom(job)) continue;
        const error = cause instanceof OptionError ? toUnsupported(cause) : toStoreError(cause, this.#settings.path);
        job.reject(error);
        if (isFatal(cause) || error === this.#replaced) this.#break(error);
      }
      this.#jobs.shift();
    }
  }

  /**
   * On a full disk a ping shall still be written, else every holder would lose its trust. What the log holds is moved
   * to its place in the file, and the log begins anew in the room that it has. It may wait for the disk: the worker's.
   */
  #makesRoom(job: Job): boolean {
    if (job.hasMadeRoom || this.#role !== "liveness") return false;
    job.hasMadeRoom = true;
    try {
      return this.#open?.records.moveLog() ?? false;
    } catch {
      return false; // then the job says why it failed
    }
  }

  #tryAgain(): void {
    this.#retry = this.#clock.timer(this.#clock.random() * RETRY_MS_MAX, () => this.#work());
  }

  #openNow(): void {
    const { path, allowNetworkFile } = this.#settings;
    makeFile(path);
    if (!allowNetworkFile) refuseNetworkFile(path);
    const before = identify(path);
    const db = openFile(path, this.#role);
    const file = identify(path);
    if (file !== before) {
      db.close();
      throw new StoreError("unreachable", `SQLite ${path}: the file was replaced while it was opened`);
    }
    const records = new SqliteRecords(db);
    this.#open = { db, records, facts: this.#factsOf(file) };
  }

  #transact<T>(work: (step: Step) => T): T {
    if (!this.#open) throw new StoreError("unreachable", `SQLite ${this.#settings.path}: not open`);
    const { db, records, facts } = this.#open;
    db.exec("BEGIN IMMEDIATE");
    try {
      // Who works on in a file that lies there no more would not see those who have opened the next one.
      if (identify(this.#settings.path) !== facts.file) throw this.#replaced;
      records.begin();
      const step = new Step(records, facts);
      const result = work(step);
      db.exec("COMMIT");
      if (step.pushes > 0) this.#seenVersion = undefined; // perhaps for ourselves: look again
      return result;
    } catch (cause) {
      records.forget();
      rollBack(db);
      throw cause;
    }
  }

  readonly #replaced = new StoreError("unreachable", "SQLite: the file was deleted or replaced by another");

  #factsOf(file: string): StoreFacts {
    const clock = this.#clock;
    const wallMs = () => clock.wallMs();
    return { ...this.#host, file, isFresh: false, hostUs: hostClockUs, wallMs, freshId: () => clock.freshId(10) };
  }

  #look(): void {
    const version = this.#open?.records.readVersion();
    if (version !== this.#seenVersion) {
      this.#seenVersion = version;
      this.#events.onChange();
    }
    this.watch(this.#watchMs);
  }

  #untilMs(): number {
    return this.#clock.monoMs() + this.#settings.lockTimeoutMs;
  }

  #break(cause: StoreError): void {
    if (this.#isClosed) return;
    this.#close(cause);
    this.#events.onClose(cause);
  }

  #close(cause: StoreError): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#watch?.cancel();
    this.#settle(cause);
    this.#open?.db.close();
    this.#open = undefined;
  }

  #settle(cause: StoreError): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    for (const job of jobs) job.reject(cause);
  }
}

const toUnsupported = (cause: OptionError): StoreError => new StoreError("unsupported", cause.message, cause);

/** SQLite may have done so itself, after a full disk for instance: then there is nothing to roll back. */
function rollBack(db: SqliteDriver): void {
  try {
    db.exec("ROLLBACK");
  } catch (error) {
    if (!/no transaction is active/.test(String(error))) throw error;
  }
}
