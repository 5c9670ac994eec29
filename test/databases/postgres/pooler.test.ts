import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Locker, PostgresDatabase } from "../../../src/index.js";
import { ContractStage } from "../../contract/contract-stage.js";
import { databaseContract } from "../../contract/database-contract.js";
import { openContractPostgres } from "../../support/contract-postgres.js";
import { fastLimits, newKey, take } from "../../support/lockers.js";
import { startPgbouncer, type Pooler } from "../../support/pgbouncer.js";
import { sharedPostgresUrl } from "../../support/postgres-server.js";
import { waitUntil } from "../../support/wait.js";

let pooler: Pooler;
let directUrl: string;

before(async () => {
  directUrl = await sharedPostgresUrl();
  pooler = await startPgbouncer(directUrl);
});

after(async () => {
  await pooler[Symbol.asyncDispose]();
});

databaseContract("PostgreSQL behind a pooler, with a direct URL", () =>
  openContractPostgres({ directUrl }, pooler.url),
);

test("behind a pooler without a direct URL nobody is taken for connected, and nobody listens", async () => {
  await using stage = new ContractStage(await openContractPostgres({}, pooler.url, false));
  const [holder, waiter] = [await stage.begun(), await stage.begun()];
  assert.equal(await holder.liveness.listen(holder.sessionId), false);
  await holder.take("key");
  const request = { key: "key", sessionId: holder.sessionId, leaseNumber: 1, force: false };
  const fencingToken = (await holder.readLease("key"))!.fencingToken;
  const answer = await waiter.leases.revoke(waiter.identity, { ...request, fencingToken });
  assert.deepEqual(answer, { status: "asked", isHeard: false });
  const { session } = await waiter.leases.readSession(holder.sessionId, waiter.identity);
  assert.equal(session.connectionGone, undefined);
});

test("lockers behind a pooler without a direct URL serve those who wait, by their polls", async () => {
  await using store = await openContractPostgres({}, pooler.url, false);
  const open = () => {
    const database = new PostgresDatabase(pooler.url, { schema: store.schema, recoveryMs: 700 });
    return new Locker({ database, ...fastLimits, acquireTimeoutMs: 20_000 });
  };
  const [one, two] = [open(), open()];
  const key = newKey();
  const first = await take(one, key);
  const waits = take(two, key, { waitMs: 20_000 });
  await waitUntil(async () => (await store.client.query(`SELECT FROM "${store.schema}".waiters`)).rowCount, 1, {
    deadlineMs: 10_000,
    what: "who waits",
  });
  await first.release();
  const second = await waits;
  assert.ok(second.fencingToken > first.fencingToken);
  await second.heartbeat();
  await second.release();
  await Promise.all([one.close(), two.close()]);
});
