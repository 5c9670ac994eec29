import { accessSync, closeSync, constants, mkdirSync, openSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError } from "../../../errors.js";
import { loadDriver, type SqliteDriver } from "./driver.js";
import { TABLE, TABLE_FORMAT } from "./sqlite-records.js";

/** File systems that other hosts may write as well, by the number that Linux gives them. */
const NETWORKED: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB2",
  0x01021997: "9p",
  0x65735546: "FUSE",
  0x00c36400: "Ceph",
  0x5346414f: "AFS",
  0x0bd00bd0: "Lustre",
  0x47504653: "GPFS",
  0x01161970: "GFS2",
  0x7461636f: "OCFS2",
};

/**
 * A step's wait for another's, in SQLite itself: short, since nothing stops a thread in it, ms. The worker does not
 * wait there at all: libsql takes the process down when it finds the file locked in a thread that is being ended, as
 * process.exit() ends it.
 */
const BUSY_MS: Record<SqliteRole, number> = { leases: 5, liveness: 0 };

const ROOM_BYTES = 256 * 1_024;

export type SqliteRole = "leases" | "liveness";

/**
 * How far the log may grow before a commit moves it into the file, in pages of 4 KB. That may take a slow disk long: it
 * is the worker's to do, and the main thread's only when the worker does not.
 */
const CHECKPOINT_PAGES: Record<SqliteRole, number> = { leases: 20_000, liveness: 1_000 };
const LOG_BYTES_MAX = 16 * 1_024 * 1_024;

/**
 * Makes the file if there is none, for this user alone. An existing one is left closed: to close a file that SQLite
 * has open in this process would let go of SQLite's locks.
 */
export function makeFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: false, mode: 0o700 });
  } catch (error) {
    if (!["EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw refused(path, error);
  }
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw refused(path, error);
    refuseReadOnlyDisk(path);
  }
}

/** SQLite would only say that it cannot open it. */
function refuseReadOnlyDisk(path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EROFS") throw refused(path, error);
  }
}

function refused(path: string, cause: unknown): StoreError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT")
    return new StoreError("denied", `SQLite ${path}: its folder does not exist (${message})`, cause);
  if (code === "ENOSPC") return new StoreError("out-of-memory", `SQLite ${path}: the disk is full (${message})`, cause);
  if (code === "EROFS") return new StoreError("read-only", `SQLite ${path}: its disk is read-only (${message})`, cause);
  return new StoreError("denied", `SQLite ${path}: the file cannot be made or opened (${message})`, cause);
}

/** Two hosts would each take the other's start for its own, and SQLite's log is shared memory of one host. */
export function refuseNetworkFile(path: string, statfs: (path: string) => { type: number } = statfsSync): void {
  const kind = NETWORKED[statfs(path).type];
  if (kind === undefined) return;
  throw new StoreError(
    "unsupported",
    `SQLite ${path} lies on ${kind}, which other hosts may use as well: take a local file, a Redis, or, when no ` +
      "other host uses it, { allowNetworkFile: true }",
  );
}

/** Which file lies there now; "" when there is none. */
export function identify(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? String(stat.ino) : "";
}

/** Throws what the driver throws, also when another process is just doing the same. */
export function openFile(path: string, role: SqliteRole): SqliteDriver {
  const db = new (loadDriver())(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS[role]}`);
    const mode = db.prepare("PRAGMA journal_mode = WAL").all()[0]?.["journal_mode"];
    if (mode !== "wal") throw new StoreError("unsupported", `SQLite ${path}: cannot keep a write-ahead log there`);
    db.exec("PRAGMA synchronous = NORMAL");
    db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES[role]}`);
    db.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_MAX}`);
    const format = Number(db.prepare("PRAGMA user_version").all()[0]?.["user_version"]);
    if (format > TABLE_FORMAT) {
      throw new StoreError("newer-version", `SQLite ${path}: a newer pulselock has written here; upgrade this process`);
    }
    if (format < TABLE_FORMAT) {
      refuseForeign(db, path);
      db.exec(TABLE);
      db.exec(`PRAGMA user_version = ${TABLE_FORMAT}`);
      setRoomAside(db);
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Pages that the file has from the start, and the log as well: what is in use fits in there also on a full disk. */
function setRoomAside(db: SqliteDriver): void {
  db.exec(`INSERT OR REPLACE INTO record VALUES ('', '', '', hex(zeroblob(${ROOM_BYTES / 2})), 0)`);
  db.exec("DELETE FROM record WHERE kind = ''");
  db.prepare("PRAGMA wal_checkpoint(PASSIVE)").all();
}

function refuseForeign(db: SqliteDriver, path: string): void {
  const found = db.prepare("SELECT name FROM sqlite_master WHERE name <> 'record' LIMIT 1").all()[0];
  if (!found) return;
  const rule = "holds tables of another application; it was left untouched: name a file of its own";
  throw new StoreError("foreign-value", `SQLite ${path} ${rule}`);
}
