// What PostgreSQL remembers: how its memory is named, and what is on disk before anybody is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaNames } from "../../../src/databases/postgres/schema.js";
import { ContractStage } from "../../contract/contract-stage.js";
import { release } from "../../contract/lease-cases.js";
import { openContractPostgres } from "../../support/contract-postgres.js";
import { sharedPostgresUrl } from "../../support/postgres-server.js";

test("a memory's name says the server's start, its timeline, its cluster and its last crash", async () => {
  const store = await openContractPostgres();
  await using stage = new ContractStage(store);
  await stage.begun();
  await store.client.query(`SET search_path = "${schemaNames(store.schema).functions}", "${store.schema}"`);
  const [said] = (
    await store.client.query<{ run: string; start: string; timeline: string; cluster: string; crash: string }>(
      `SELECT n.run, extract(epoch FROM pg_postmaster_start_time())::text AS start,
        lpad(upper(to_hex(timeline_id)), 8, '0') AS timeline, system_identifier::text AS cluster, i.id AS crash
        FROM namespace AS n, incarnation AS i, pg_control_checkpoint(), pg_control_system()`,
    )
  ).rows;
  await store.client.query("RESET search_path");
  const { run, start, timeline, cluster, crash } = said!;
  assert.equal(run, `${start} ${timeline} ${cluster} ${crash}`);
  for (const part of [start, timeline, cluster, crash]) assert.notEqual(part, "");
});

test("what is granted or condemned is on disk before anybody is told, whatever the server's default is", async () => {
  const url = `${await sharedPostgresUrl()}?options=-c%20synchronous_commit%3Doff`;
  const store = await openContractPostgres({}, url);
  await using stage = new ContractStage(store);
  const { client, schema } = store;
  const ask = async (text: string) => (await client.query(text.replaceAll("$s", `"${schema}"`))).rows;
  // At its end a transaction says how it is written.
  await ask(
    `CREATE TABLE $s.noted (what text, setting text);
     CREATE FUNCTION $s.note() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
       INSERT INTO $s.noted VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
       RETURN NULL;
     END $f$;
     CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON $s.keys DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION $s.note();
     CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON $s.sessions DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.dead_ms IS NOT NULL) EXECUTE FUNCTION $s.note()`,
  );
  const noted = async () => {
    const rows = await ask("WITH gone AS (DELETE FROM $s.noted RETURNING *) SELECT DISTINCT what, setting FROM gone");
    return rows.map(({ what, setting }) => `${what} ${setting}`);
  };
  const [holder, waiter] = [await stage.begun({ listens: true }), await stage.begun()];
  await holder.take("key");
  assert.deepEqual(await noted(), ["keys on"], "a grant");
  await waiter.queue("key");
  await release(holder, "key");
  assert.deepEqual(await noted(), ["keys on"], "a hand-off");
  await release(waiter, "key");
  assert.deepEqual(await noted(), ["keys off"], "what is given back need not be: a crash begins an era");
  await store.age(holder.sessionId, { silentMs: 500_000 });
  await store.age(waiter.sessionId, { steadyMs: 500_000 });
  assert.equal((await waiter.condemn(holder.sessionId)).status, "condemned");
  assert.deepEqual(await noted(), ["sessions on"], "a condemnation");
  await ask(
    "DROP TRIGGER note ON $s.keys; DROP TRIGGER note ON $s.sessions; DROP FUNCTION $s.note; DROP TABLE $s.noted",
  );
});
