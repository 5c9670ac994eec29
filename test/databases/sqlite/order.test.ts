// In which order steps are done, and what becomes of them, while another process has the file.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadDriver } from "../../../src/databases/local/sqlite/driver.js";
import { Locker, LockerClosedError, SqliteDatabase } from "../../../src/index.js";
import { ContractStage } from "../../contract/contract-stage.js";
import { spawnChild, type Child } from "../../support/child.js";
import { openContractSqlite } from "../../support/contract-local.js";
import { fastLimits, newKey, take } from "../../support/lockers.js";
import { withDeadline } from "../../support/wait.js";

test("what is asked while the file is locked is done in the order in which it was asked, once it is free", async () => {
  const store = await openContractSqlite();
  await using stage = new ContractStage(store);
  const actor = await stage.begun();
  const other = new (loadDriver())(store.path);
  other.exec("BEGIN IMMEDIATE");
  const acquired = actor.acquire("key", { leaseNumber: 2 });
  const released = actor.leases.release(actor.identity, [{ key: "key", leaseNumber: 2 }]);
  const last = actor.acquire("other", { leaseNumber: 3 });
  other.exec("COMMIT");
  other.close();
  assert.equal((await acquired).status, "granted");
  assert.deepEqual(await released, { status: "ok", answers: [{ status: "released" }] });
  assert.equal((await last).status, "granted");
  assert.equal(await actor.readLease("key"), undefined, "a lease that is granted after it was given back is nobody's");
});

test("what could not begin in time is never done", async () => {
  const store = await openContractSqlite({ lockTimeoutMs: 100 });
  await using stage = new ContractStage(store);
  const actor = await stage.begun();
  const other = new (loadDriver())(store.path);
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(actor.acquire("key"), { name: "StoreError", code: "unreachable" });
  other.exec("COMMIT");
  other.close();
  assert.equal((await actor.acquire("other", { leaseNumber: 2 })).status, "granted");
  assert.equal(await actor.readLease("key"), undefined);
});

/** A process that was stopped within a transaction: it has the file for as long as the test lasts. */
async function spawnStopped(path: string): Promise<Child> {
  const child = await spawnChild(new URL("./fixtures/locking.js", import.meta.url));
  await child.request("lock", path);
  await child.kill("SIGSTOP");
  return child;
}

test("close() ends in its time while a process that was stopped within a transaction has the file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pulselock-close-"));
  const path = join(folder, "locks.db");
  const locker = new Locker({ database: new SqliteDatabase(path), ...fastLimits, closeTimeoutMs: 1_000 });
  const lease = await take(locker, newKey());
  await using _stopped = await spawnStopped(path);
  const waiting = locker.acquire(newKey()).catch((error: unknown) => error);
  const releasing = lease.release();
  const startedMs = performance.now();
  await withDeadline(locker.close(), 10_000, "close() ends");
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 5_000, `after ${tookMs} ms`);
  await releasing;
  assert.ok((await waiting) instanceof LockerClosedError);
  rmSync(folder, { recursive: true });
});

test("process.exit() ends with its own code while a stopped process has the file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pulselock-exit-"));
  const path = join(folder, "locks.db");
  await using child = await spawnChild(new URL("./fixtures/contender.js", import.meta.url));
  await child.request("open", { database: `sqlite:${path}`, ...fastLimits }, join(folder, "register.db"));
  await child.request("hold", newKey());
  await using _stopped = await spawnStopped(path);
  await sleep(3 * fastLimits.pingIntervalMs); // waits: a ping is to wait for the file
  child.request("exit", 3).catch(() => undefined); // it has no time to answer
  assert.deepEqual(await withDeadline(child.exited, 10_000, "the process ends"), { code: 3, signal: null });
  rmSync(folder, { recursive: true });
});
