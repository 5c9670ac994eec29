// What a file can be that is not as it should be: each says so, and is left as it was.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../../../src/clock.js";
import { loadDriver, type SqliteDriver } from "../../../src/databases/local/sqlite/driver.js";
import { toStoreError } from "../../../src/databases/local/sqlite/sqlite-errors.js";
import { refuseNetworkFile } from "../../../src/databases/local/sqlite/sqlite-file.js";
import { openUrl } from "../../../src/databases/open.js";
import { Locker, OptionError, SqliteDatabase, StoreError } from "../../../src/index.js";
import type { SqliteDatabaseSettings } from "../../../src/index.js";
import { fastLimits, newKey, take } from "../../support/lockers.js";

let folder = "";
before(() => (folder = mkdtempSync(join(tmpdir(), "pulselock-files-"))));
after(() => rmSync(folder, { recursive: true }));

/** What a locker says of that file. */
async function refusalOf(path: string, settings: SqliteDatabaseSettings = {}): Promise<StoreError> {
  const limits = { ...fastLimits, acquireTimeoutMs: 1_500 };
  await using locker = new Locker({ database: new SqliteDatabase(path, settings), ...limits });
  const outcome = await locker.acquire(newKey()).catch((error: unknown) => error);
  assert.ok(outcome instanceof StoreError, String(outcome));
  return outcome;
}

function editing(path: string, edit: (db: SqliteDriver) => void): void {
  const db = new (loadDriver())(path);
  edit(db);
  db.close();
}

test("a file is made for its user alone, with the folder that it lies in, and under any name", async () => {
  for (const name of ["plain", "with space", "ключ?#%&+", "a'b\"c;--"]) {
    const path = join(folder, `of ${name}`, `${name}.db`);
    await using locker = new Locker({ database: new SqliteDatabase(path), ...fastLimits });
    await (await take(locker, newKey())).release();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
  }
});

test("a path in a folder that does not exist is refused", async () => {
  const { code, message } = await refusalOf(join(folder, "no", "such", "locks.db"));
  assert.equal(code, "denied");
  assert.match(message, /its folder does not exist/);
});

test("a folder, and a file that is none of ours, are refused and left as they were", async () => {
  const path = join(folder, "taken");
  mkdirSync(path);
  assert.equal((await refusalOf(path)).code, "denied");
  const text = join(folder, "text.db");
  writeFileSync(text, "these are no locks\n".repeat(100));
  assert.match((await refusalOf(text)).message, /no SQLite database; it was left untouched/);
  assert.match(readFileSync(text, "utf8"), /^these are no locks\n/);
  const theirs = join(folder, "theirs.db");
  editing(theirs, (db) => db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY)"));
  const { code, message } = await refusalOf(theirs);
  assert.equal(code, "foreign-value");
  assert.match(message, /tables of another application; it was left untouched: name a file of its own/);
  editing(theirs, (db) =>
    assert.equal(db.prepare("SELECT name FROM sqlite_master WHERE name = 'record'").all()[0], undefined),
  );
});

test("a file of a newer format, and records of one, are refused", async () => {
  const path = join(folder, "newer.db");
  editing(path, (db) => db.exec("PRAGMA user_version = 99"));
  assert.equal((await refusalOf(path)).code, "newer-version");
  const records = join(folder, "records.db");
  await using locker = new Locker({ database: new SqliteDatabase(records), ...fastLimits });
  await (await take(locker, newKey())).release();
  await locker.close();
  editing(records, (db) => db.exec("UPDATE record SET value = json_set(value, '$.v', 99) WHERE kind = 'namespace'"));
  assert.equal((await refusalOf(records)).code, "newer-version");
});

test("a file that another keeps locked is waited for so long and no longer", async () => {
  const path = join(folder, "locked.db");
  await using locker = new Locker({ database: new SqliteDatabase(path, { lockTimeoutMs: 200 }), ...fastLimits });
  const lease = await take(locker, newKey());
  const other = new (loadDriver())(path);
  other.exec("BEGIN IMMEDIATE");
  await using late = new Locker({
    ...{ database: new SqliteDatabase(path, { lockTimeoutMs: 200 }), ...fastLimits, acquireTimeoutMs: 1_000 },
  });
  await assert.rejects(late.acquire(newKey()), { name: "StoreError", code: "unreachable" });
  other.exec("COMMIT");
  other.close();
  await lease.heartbeat();
  await lease.release();
});

test("while a file is locked its step waits by a timer, and the thread goes on", async () => {
  const path = join(folder, "thread.db");
  const leases = new SqliteDatabase(path).openLeases({ clock: systemClock });
  await leases.whenUp(AbortSignal.timeout(5_000));
  const other = new (loadDriver())(path);
  other.exec("BEGIN IMMEDIATE");
  const stoodMs: number[] = [];
  const asked = [1, 2, 3].map(() => {
    const startedMs = performance.now();
    const looked = leases.readHolders("key"); // tried at once, in this call
    stoodMs.push(performance.now() - startedMs);
    return looked;
  });
  other.exec("COMMIT");
  other.close();
  assert.deepEqual(await Promise.all(asked), [[], [], []]);
  assert.ok(Math.max(...stoodMs) < 250, `the thread stood still for ${stoodMs.map(Math.round).join(" ")} ms`);
  leases.close();
});

test("what either driver says of a full disk and of a disk that fails is told in the words of the package", () => {
  const codes = [{ errcode: 13 }, { rawCode: 13 }, { code: "SQLITE_FULL" }].map(
    (facts) => toStoreError(Object.assign(new Error("full"), facts), "a.db").code,
  );
  assert.deepEqual(codes, ["out-of-memory", "out-of-memory", "out-of-memory"]);
  const failed = toStoreError(Object.assign(new Error("disk I/O error"), { errcode: 10 + (2 << 8) }), "a.db");
  assert.deepEqual([failed.code, failed.isLasting], ["unreachable", false]);
});

test("the file systems of several hosts are told from those of one", () => {
  assert.doesNotThrow(() => refuseNetworkFile(folder));
  const nfs = () => refuseNetworkFile(folder, () => ({ type: 0x6969 }));
  assert.throws(
    nfs,
    (error) => error instanceof StoreError && error.code === "unsupported" && /NFS/.test(error.message),
  );
});

test("paths and URLs that name no file are refused at construction", () => {
  for (const path of ["", ":memory:", "a\0b", 7]) {
    assert.throws(() => new SqliteDatabase(path as string), OptionError, String(path));
  }
  for (const settings of [{ recoveryMs: 0 }, { lockTimeoutMs: -1 }, { allowNetworkFile: 1 }, { prefix: "a" }]) {
    assert.throws(() => new SqliteDatabase("a.db", settings as SqliteDatabaseSettings), OptionError);
  }
  for (const url of ["sqlite:", "sqlite:a?b", "sqlite:a#b", "sqlite:%zz", "sqlite://host/a.db"]) {
    assert.throws(() => openUrl(url), OptionError, url);
  }
  const pathOf = (url: string) => (openUrl(url) as SqliteDatabase).path;
  assert.equal(pathOf("sqlite:/var/a%20b.db"), "/var/a b.db");
  assert.equal(pathOf("sqlite:///var/a.db"), "/var/a.db");
  assert.equal(pathOf("sqlite:a.db"), join(process.cwd(), "a.db"));
});

test("the store's clock is the host's monotonic one: a wall clock that is set changes nothing", async () => {
  const path = join(folder, "clock.db");
  const shift = { ms: 0 };
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + shift.ms };
  const database = new SqliteDatabase(path);
  const [before, later] = [database.openLeases({ clock }), database.openLeases({ clock })];
  await Promise.all([before, later].map((leases) => leases.whenUp(AbortSignal.timeout(5_000))));
  const nobody = { lockerId: "a", sessionId: "a.1", era: "", recoveryMs: 1 };
  const first = await before.readSession("b.1", nobody);
  shift.ms = 86_400_000;
  const second = await later.readSession("b.1", nobody);
  assert.ok(second.nowMs >= first.nowMs && second.nowMs - first.nowMs < 60_000);
  for (const leases of [before, later]) leases.close();
});
