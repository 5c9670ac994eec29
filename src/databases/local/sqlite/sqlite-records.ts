import type { Entry, Kind, Records, Tables } from "../records.js";
import type { SqliteDriver, SqliteStatement } from "./driver.js";

/** The format of the table, in `PRAGMA user_version`. */
export const TABLE_FORMAT = 1;
export const TABLE = `CREATE TABLE IF NOT EXISTS record (
  kind TEXT NOT NULL, key TEXT NOT NULL, sub TEXT NOT NULL, value TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (kind, key, sub)
) WITHOUT ROWID`;

/** Of so many keys it remembers what it read; more are not in use at a time. */
const REMEMBERED_MAX = 2_000;

type Entries = readonly Entry<unknown>[];

/**
 * Rows in one table. What was read is remembered for as long as no other connection has changed the file, which costs
 * one question a transaction instead of one for each row.
 */
export class SqliteRecords implements Records {
  readonly #known = new Map<string, Entries>();
  readonly #scan: SqliteStatement;
  readonly #scanAll: SqliteStatement;
  readonly #put: SqliteStatement;
  readonly #delete: SqliteStatement;
  readonly #deleteAll: SqliteStatement;
  readonly #hasAny: SqliteStatement;
  readonly #clear: SqliteStatement;
  readonly #version: SqliteStatement;
  readonly #moveLog: SqliteStatement;
  #knownVersion: unknown;

  constructor(db: SqliteDriver) {
    this.#scan = db.prepare("SELECT sub, value, until FROM record WHERE kind = ? AND key = ? ORDER BY sub");
    this.#scanAll = db.prepare("SELECT key, sub, value, until FROM record WHERE kind = ? ORDER BY key, sub");
    this.#put = db.prepare("INSERT OR REPLACE INTO record (kind, key, sub, value, until) VALUES (?, ?, ?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM record WHERE kind = ? AND key = ? AND sub = ?");
    this.#deleteAll = db.prepare("DELETE FROM record WHERE kind = ? AND key = ?");
    this.#hasAny = db.prepare("SELECT 1 AS found FROM record WHERE kind = ? LIMIT 1");
    this.#clear = db.prepare("DELETE FROM record WHERE until <= ?");
    this.#version = db.prepare("PRAGMA data_version");
    this.#moveLog = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  }

  /** Changes with every commit of another connection. 1 to 2 µs. */
  readVersion(): unknown {
    return this.#version.all()[0]?.["data_version"];
  }

  /** Moves what the log holds into the file. Whether all of it could be. */
  moveLog(): boolean {
    const { busy, log, checkpointed } = this.#moveLog.all()[0] ?? {};
    return busy === 0 && log === checkpointed;
  }

  /** Called in a transaction, before anything is read. */
  begin(): void {
    const version = this.readVersion();
    if (version !== this.#knownVersion || this.#known.size > REMEMBERED_MAX) this.#known.clear();
    this.#knownVersion = version;
  }

  /** What was written was taken back. */
  forget(): void {
    this.#known.clear();
  }

  get<K extends Kind>(kind: K, key: string, sub = ""): Tables[K] | undefined {
    return this.scan(kind, key).find((entry) => entry.sub === sub)?.row;
  }

  scan<K extends Kind>(kind: K, key: string): readonly Entry<Tables[K]>[] {
    const name = `${kind} ${key}`;
    let entries = this.#known.get(name);
    if (!entries) {
      entries = this.#scan.all(kind, encode(key)).map((found) => toEntry(key, found));
      this.#known.set(name, entries);
    }
    return entries as readonly Entry<Tables[K]>[];
  }

  scanAll<K extends Kind>(kind: K): readonly Entry<Tables[K]>[] {
    const rows = this.#scanAll.all(kind);
    return rows.map((found) => toEntry(decode(found["key"] as string), found) as Entry<Tables[K]>);
  }

  put<K extends Kind>(kind: K, key: string, sub: string, row: Tables[K], untilMs: number): void {
    this.#put.run(kind, encode(key), sub, JSON.stringify(row), untilMs);
    const others = this.#known.get(`${kind} ${key}`)?.filter((entry) => entry.sub !== sub);
    if (!others) return;
    const at = others.findIndex((entry) => entry.sub > sub);
    this.#known.set(`${kind} ${key}`, others.toSpliced(at < 0 ? others.length : at, 0, { key, sub, row, untilMs }));
  }

  delete(kind: Kind, key: string, sub?: string): void {
    const name = `${kind} ${key}`;
    if (sub === undefined) {
      this.#deleteAll.run(kind, encode(key));
      this.#known.set(name, []);
      return;
    }
    const known = this.#known.get(name);
    if (known && !known.some((entry) => entry.sub === sub)) return;
    this.#delete.run(kind, encode(key), sub);
    if (known) {
      this.#known.set(
        name,
        known.filter((entry) => entry.sub !== sub),
      );
    }
  }

  hasAny(kind: Kind): boolean {
    return this.#hasAny.all(kind).length > 0;
  }

  clear(nowMs: number): void {
    this.#clear.run(nowMs);
    this.forget();
  }

  /** As it is now, outside of any transaction. */
  hasFresh(kind: Kind, key: string): boolean {
    return this.#scan.all(kind, encode(key)).length > 0;
  }
}

function toEntry(key: string, { sub, value, until }: Record<string, unknown>): Entry<unknown> {
  return { key, sub: sub as string, row: JSON.parse(value as string), untilMs: until as number };
}

/** Any string as text that SQLite keeps as it is, also with half a surrogate pair or a NUL. */
const encode = (key: string): string => JSON.stringify(key);
const decode = (key: string): string => JSON.parse(key) as string;
