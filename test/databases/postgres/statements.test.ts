import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Client } from "pg";
import { Locker, PostgresDatabase, StoreError } from "../../../src/index.js";
import { schemaNames } from "../../../src/databases/postgres/schema.js";
import { ContractStage } from "../../contract/contract-stage.js";
import { openContractPostgres } from "../../support/contract-postgres.js";
import { fastLimits, newKey, take } from "../../support/lockers.js";
import { openClient, startPostgres, type PostgresServer } from "../../support/postgres-server.js";
import { waitUntil } from "../../support/wait.js";

let server: PostgresServer;
let client: Client;

before(async () => {
  server = await startPostgres({ settings: { shared_preload_libraries: "pg_stat_statements" } });
  client = await openClient(server.url);
  await client.query("CREATE EXTENSION pg_stat_statements");
});

after(async () => {
  await client.end();
  await server[Symbol.asyncDispose]();
});

/** How often each of our functions was called by a statement of a client. */
async function calls(): Promise<Record<string, number>> {
  const text =
    "SELECT query, calls FROM pg_stat_statements(true) WHERE toplevel AND query NOT LIKE '%pg_stat_statements%'";
  const counts: Record<string, number> = {};
  for (const { query, calls: count } of (await client.query<{ query: string; calls: string }>(text)).rows) {
    const name = /^SELECT "\w+"\."(\w+)"\(/.exec(query)?.[1] ?? query;
    counts[name] = (counts[name] ?? 0) + Number(count);
  }
  return counts;
}

test("an uncontended cycle is two statements, acquire and release, and nothing else but pings", async () => {
  const database = new PostgresDatabase(server.url, { recoveryMs: 700 });
  const locker = new Locker({ database, ...fastLimits });
  const key = newKey();
  await (await take(locker, key)).release();
  await client.query("SELECT pg_stat_statements_reset()");
  for (let i = 0; i < 10; i++) {
    const lease = await take(locker, key);
    await lease.heartbeat();
    await lease.release();
  }
  const { ping, collect, ...rest } = await calls();
  assert.deepEqual(rest, { acquire: 10, release: 10 });
  assert.ok((ping ?? 0) + (collect ?? 0) < 1_000);
  await locker.close();
});

test("what the server undid as a deadlock's victim is asked again, three times and no more", async () => {
  await using stage = new ContractStage(await openContractPostgres());
  const store = stage.store as Awaited<ReturnType<typeof openContractPostgres>>;
  const actor = await stage.begun();
  const verbs = schemaNames(store.schema).functions;
  await store.client.query(
    `CREATE SEQUENCE "${verbs}".tries;
     ALTER FUNCTION "${verbs}".tell RENAME TO tell_well;
     CREATE FUNCTION "${verbs}".tell(p_locker text, p_words text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
       IF nextval('"${verbs}".tries') % 10 < p_locker::int THEN RAISE deadlock_detected; END IF;
       RETURN true;
     END $$`,
  );
  const tries = async () => (await store.client.query(`SELECT last_value FROM "${verbs}".tries`)).rows[0].last_value;
  await actor.leases.tellDeadlock("4#1"); // 1, 2 and 3 fail
  assert.equal(await tries(), "4");
  await store.client.query(`ALTER SEQUENCE "${verbs}".tries RESTART`);
  await assert.rejects(actor.leases.tellDeadlock("9#1"), StoreError);
  assert.equal(await tries(), "4");
  await store.client.query(
    `DROP FUNCTION "${verbs}".tell; DROP SEQUENCE "${verbs}".tries;
     ALTER FUNCTION "${verbs}".tell_well RENAME TO tell`,
  );
});

test("an acquire that a dead connection left waiting is over before the next connection is answered", async () => {
  const store = await openContractPostgres({ commandTimeoutMs: 1_500 });
  await using stage = new ContractStage(store);
  const { client: hand, schema } = store;
  const actor = await stage.begun();
  await actor.take("other");
  const verbs = schemaNames(schema).functions;
  await hand.query(`SET search_path = "${verbs}", "${schema}"`);
  for (const name of ["acquire", "release"]) await hand.query(`ALTER FUNCTION ${name} SET lock_timeout = '20s'`);
  await hand.query("BEGIN");
  await hand.query("SELECT lock_keys(ARRAY['key'])");
  const left = actor.acquire("key", { leaseNumber: 2 }).catch((error: StoreError) => error.code);
  const waiting = async (verb: string): Promise<number[]> => {
    await hand.query("SELECT pg_stat_clear_snapshot()"); // else a transaction sees the same each time
    const text = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE $1";
    return (await hand.query<{ pid: number }>(text, [`SELECT%"${verb}"(%`])).rows.map(({ pid }) => pid);
  };
  const untilOneWaits = (verb: string) =>
    waitUntil(async () => (await waiting(verb)).length, 1, { deadlineMs: 10_000, what: `who waits in ${verb}` });
  await untilOneWaits("acquire");
  assert.equal(await left, "unreachable", "no answer in time: its connection is given up");
  await actor.leases.whenUp(AbortSignal.timeout(10_000));
  const released = actor.leases.release(actor.identity, [{ key: "key", leaseNumber: 2 }]);
  await untilOneWaits("release");
  assert.equal((await waiting("acquire")).length, 1, "the server has not heard of it");
  await hand.query("COMMIT");
  const answer = await released;
  assert.deepEqual(answer, { status: "ok", answers: [{ status: "released" }] }, "what was granted was given back");
  assert.equal(await actor.readLease("key"), undefined);
});
