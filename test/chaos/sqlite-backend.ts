// A SQLite file that the processes of one host share, under faults: locked by a stranger, deleted, replaced by an older
// copy of itself. There is no server and no link to disturb.

import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hostClockUs } from "../../src/clock.js";
import type { Entry, LeaseRow, Records, WaiterRow } from "../../src/databases/local/records.js";
import { lockerOf } from "../../src/databases/local/records.js";
import { isBusy } from "../../src/databases/local/sqlite/sqlite-errors.js";
import { openFile } from "../../src/databases/local/sqlite/sqlite-file.js";
import { changeFile } from "../support/contract-local.js";
import { waitUntil } from "../support/wait.js";
import type { Backend, DoorPorts, FaultTools, Store, StoredHolder } from "./backend.js";
import type { Limits } from "./fleets.js";
import type { DatabaseDescription } from "./member-protocol.js";
import type { Fault } from "./schedule.js";

export const sqliteBackend: Backend = {
  name: "sqlite",
  kinds: ["store-pause-writes", "store-empty", "store-old"],
  notRun: () => new Map(),
  start: async (_schedule, { directory }) => new SqliteStore(join(directory, "locks.db")),
};

class SqliteStore implements Store {
  readonly port = 0;
  readonly #path: string;
  /** One file is put in the place of another at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  onMoved(): void {}

  describe(_doors: DoorPorts, { database }: Limits, host: string | undefined): DatabaseDescription {
    const { recoveryMs, commandTimeoutMs } = database;
    const settings = { recoveryMs, lockTimeoutMs: commandTimeoutMs };
    return { backend: "sqlite", path: this.#path, settings, ...(host !== undefined && { host }) };
  }

  apply(fault: Fault, tools: FaultTools): Promise<void> {
    if (fault.kind === "store-pause-writes") return this.#lock(fault, tools);
    const turn = this.#turn.then(() => this.#replace(fault, tools));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async heal(): Promise<void> {
    await this.#turn;
  }

  async holders(): Promise<StoredHolder[]> {
    return changeFile(this.#path, (records) => {
      const { era } = records.get("namespace", "") ?? {};
      return living(records)
        .filter(({ row }) => row.era === era && row.state !== "kept")
        .flatMap(({ key, row }) => holder(records, key, row));
    });
  }

  /**
   * When every locker has closed: no lease and no place in a queue but those of the killed, who have left their
   * sessions behind.
   */
  async leftovers(): Promise<string[]> {
    return changeFile(this.#path, (records) => {
      const killed = new Set(records.scanAll("session").map(({ key }) => lockerOf(key)));
      const isOthers = ({ sub }: Entry<LeaseRow | WaiterRow>): boolean => !killed.has(lockerOf(sub));
      const leases = living(records).filter((lease) => lease.row.mode !== "permits" || isOthers(lease));
      const waiters = records.scanAll("waiter").filter(isOthers);
      return [
        ...leases.map(({ key, row }) => `a lease of ${key}: ${JSON.stringify(row)}`),
        ...waiters.map(({ key, sub }) => `a place of ${sub} for ${key}`),
      ];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
  }

  /** A stranger's transaction that does not end for a while. */
  async #lock({ durationMs }: Fault, tools: FaultTools): Promise<void> {
    const db = openFile(this.#path, "liveness");
    try {
      const begin = (): boolean => {
        try {
          db.exec("BEGIN IMMEDIATE");
          return true;
        } catch (error) {
          if (isBusy(error)) return false;
          throw error;
        }
      };
      await waitUntil(begin, true, { deadlineMs: 2_000, what: "the file's lock" });
      tools.begun();
      await tools.wait(durationMs);
      db.exec("ROLLBACK");
    } finally {
      db.close();
    }
  }

  async #replace({ kind, durationMs }: Fault, tools: FaultTools): Promise<void> {
    const copy = `${this.#path}.old`;
    rmSync(copy, { force: true });
    if (kind === "store-old") {
      const db = openFile(this.#path, "liveness");
      db.exec(`VACUUM INTO '${copy}'`);
      db.close();
      await tools.wait(durationMs);
    }
    tools.begun();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${this.#path}${suffix}`, { force: true });
    if (existsSync(copy)) renameSync(copy, this.#path);
  }
}

/** Leases that have not run out: the others are cleared away when they are met. */
function living(records: Records): readonly Entry<LeaseRow>[] {
  const nowMs = (hostClockUs() + (records.get("namespace", "")?.clockOffsetUs ?? 0)) / 1_000;
  return records.scanAll("lease").filter(({ untilMs }) => untilMs > nowMs);
}

function holder(records: Records, key: string, { sessionId, token }: LeaseRow): StoredHolder[] {
  const session = records.get("session", sessionId);
  return session?.life && !session.dead ? [{ key, token, session: sessionId, pid: session.life.pid }] : [];
}
