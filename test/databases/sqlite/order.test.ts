import assert from "node:assert/strict";
import { test } from "node:test";
import { loadDriver } from "../../../src/databases/local/sqlite/driver.js";
import { ContractStage } from "../../contract/contract-stage.js";
import { openContractSqlite } from "../../support/contract-local.js";

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
