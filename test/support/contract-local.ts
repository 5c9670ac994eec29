// The stores on one host as the contract wants them: a hand in their records.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryDatabase } from "../../src/databases/local/memory/memory-database.js";
import type { Records } from "../../src/databases/local/records.js";
import type { SqliteDriver } from "../../src/databases/local/sqlite/driver.js";
import { SqliteDatabase, type SqliteDatabaseSettings } from "../../src/databases/local/sqlite/sqlite-database.js";
import { isBusy } from "../../src/databases/local/sqlite/sqlite-errors.js";
import { openFile } from "../../src/databases/local/sqlite/sqlite-file.js";
import { SqliteRecords } from "../../src/databases/local/sqlite/sqlite-records.js";
import type { ContractStore } from "../contract/contract-stage.js";

const KEEP_MS = Number.MAX_SAFE_INTEGER;

type Hand = Pick<ContractStore, "interrupt" | "age" | "ageMark">;

/** What the contract's hand does, given a way to the records. */
export function handIn(change: <T>(work: (records: Records) => T) => T): Hand {
  return {
    interrupt: async () => change(interrupt),
    age: async (id, by) => change((records) => age(records, id, by)),
    ageMark: async (key, byMs) => change((records) => ageMark(records, key, byMs)),
  };
}

function interrupt(records: Records): void {
  const row = records.get("namespace", "");
  if (row) records.put("namespace", "", "", { ...row, file: "of another time" }, KEEP_MS);
}

function age(records: Records, id: string, by: { silentMs?: number; steadyMs?: number }): void {
  const row = records.get("session", id);
  if (!row?.life) throw new Error(`there is no record of ${id}`);
  const { lastMs, steadySinceMs } = row.life;
  const { silentMs = 0, steadyMs = 0 } = by;
  const life = { ...row.life, lastMs: lastMs - silentMs, steadySinceMs: steadySinceMs - steadyMs };
  records.put("session", id, "", { ...row, life }, KEEP_MS);
}

function ageMark(records: Records, key: string, byMs: number): number {
  const [lease] = records.scan("lease", key);
  if (lease?.row.state !== "revoked") throw new Error(`there is no mark: ${JSON.stringify(lease)}`);
  const markedMs = lease.row.markedMs - byMs;
  records.put("lease", key, lease.sub, { ...lease.row, markedMs }, KEEP_MS);
  return markedMs;
}

export async function openContractMemory(): Promise<ContractStore> {
  const database = new MemoryDatabase();
  const { store } = database;
  return {
    ...{ database, seesConnections: true },
    ...handIn((work) => work(store.records)),
    loseMemory: async () => store.forget(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

export interface ContractSqlite extends ContractStore {
  readonly database: SqliteDatabase;
  readonly path: string;
}

/** In a folder of its own. */
export async function openContractSqlite(settings: SqliteDatabaseSettings = {}): Promise<ContractSqlite> {
  const folder = mkdtempSync(join(tmpdir(), "pulselock-contract-"));
  const path = join(folder, "locks.db");
  const change = <T>(work: (records: SqliteRecords, db: SqliteDriver) => T): T => changeFile(path, work);
  return {
    ...{ database: new SqliteDatabase(path, settings), path, seesConnections: true },
    ...handIn(change),
    loseMemory: async () => change((_, db) => db.exec("DELETE FROM record")),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }),
  };
}

/** As another process would: in a transaction of a connection that is opened and closed. */
export function changeFile<T>(path: string, work: (records: SqliteRecords, db: SqliteDriver) => T): T {
  for (;;) {
    const db = openFile(path, "liveness");
    try {
      db.exec("BEGIN IMMEDIATE");
      const result = work(new SqliteRecords(db), db);
      db.exec("COMMIT");
      return result;
    } catch (error) {
      if (!isBusy(error)) throw error;
    } finally {
      db.close();
    }
  }
}
