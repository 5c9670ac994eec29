import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import type { Client } from "pg";
import { systemClock } from "../../../src/clock.js";
import { StoreError } from "../../../src/errors.js";
import { PostgresDatabase } from "../../../src/databases/postgres/postgres-database.js";
import { schemaNames } from "../../../src/databases/postgres/schema.js";
import { Actor } from "../../contract/contract-stage.js";
import { openClient, sharedPostgresUrl } from "../../support/postgres-server.js";

let url: string;
let client: Client;
const schemas: string[] = [];
const roles: string[] = [];

before(async () => {
  url = await sharedPostgresUrl();
  client = await openClient(url);
});

after(async () => {
  for (const schema of schemas) {
    await client.query(`DROP SCHEMA IF EXISTS "${schemaNames(schema).functions}", "${schema}" CASCADE`);
  }
  for (const role of roles) await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await client.end();
});

function newSchema(): string {
  const schema = `schema_${randomUUID().replaceAll("-", "")}`;
  schemas.push(schema);
  return schema;
}

async function newRole(): Promise<string> {
  const role = `role_${randomUUID().replaceAll("-", "")}`;
  await client.query(`CREATE ROLE ${role} LOGIN`);
  roles.push(role);
  return role;
}

const asRole = (role: string): string => url.replace("pulselock@", `${role}@`);

async function open(database: PostgresDatabase): Promise<Actor> {
  const actor = new Actor(database, {});
  await actor.liveness.ready;
  await actor.leases.whenUp(AbortSignal.timeout(10_000));
  return actor;
}

async function failure(database: PostgresDatabase): Promise<StoreError> {
  const events = { onPush: () => undefined, onClose: () => undefined };
  const connection = database.openLiveness({ clock: systemClock }, events);
  const error = await connection.ready.then(
    () => assert.fail("it was opened"),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof StoreError, String(error));
  return error;
}

test("many that start at once on a bare database make the tables once, and all work", async () => {
  const schema = newSchema();
  const actors = await Promise.all(Array.from({ length: 8 }, () => open(new PostgresDatabase(url, { schema }))));
  const answers = await Promise.all(actors.map((actor) => actor.begin()));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(["alive"]));
  assert.equal(new Set(answers.map(({ era }) => era)).size, 1, "one namespace, one era");
  for (const actor of actors) await actor[Symbol.asyncDispose]();
});

test("what migration() prints can be run twice", async () => {
  const database = new PostgresDatabase(url, { schema: newSchema() });
  for (let i = 0; i < 2; i++) await client.query(database.migration());
  await using actor = await open(database);
  assert.equal((await actor.begin()).status, "alive");
});

test("who may not make tables is told which right is missing, and what to run instead", async () => {
  const [schema, role] = [newSchema(), await newRole()];
  const error = await failure(new PostgresDatabase(asRole(role), { schema }));
  assert.equal(error.code, "denied");
  assert.match(error.message, /GRANT CREATE ON DATABASE/);
  assert.match(error.message, /migration\(\{ grantTo \}\)/);
});

test("a role that owns nothing works once the migration was run for it", async () => {
  const [schema, role] = [newSchema(), await newRole()];
  const database = new PostgresDatabase(asRole(role), { schema });
  await client.query(database.migration());
  await using early = await open(database);
  await assert.rejects(
    early.begin(),
    (error: StoreError) => error.code === "denied" && /permission denied for/.test(error.message),
  );
  await client.query(database.migration({ grantTo: role }));
  await using actor = await open(database);
  await actor.begin();
  assert.deepEqual(await actor.acquire("key"), { status: "recovering" });
});

test("functions of another version lie beside ours, on the same tables", async () => {
  const schema = newSchema();
  const database = new PostgresDatabase(url, { schema });
  const names = schemaNames(schema);
  const other = { ...names, functions: `${schema}_other` };
  const text = database.migration().replaceAll(names.functions, other.functions);
  await client.query(text);
  await using actor = await open(database);
  await actor.begin();
  const pinged = await client.query<{ ping: [string] }>(
    `SELECT "${other.functions}".ping('x', 1, $1, $2, 0, false) AS ping`,
    [actor.sessionId, actor.era],
  );
  assert.equal(pinged.rows[0]!.ping[0], "alive");
  await client.query(`DROP SCHEMA "${other.functions}" CASCADE`);
  assert.equal((await actor.ping()).status, "alive");
});

test("functions that were dropped under a connection end it; the next one makes them again", async () => {
  const schema = newSchema();
  const database = new PostgresDatabase(url, { schema });
  await using actor = await open(database);
  await actor.begin();
  await client.query(`DROP SCHEMA "${schemaNames(schema).functions}" CASCADE`);
  await assert.rejects(actor.leases.readHolders("key"), StoreError);
  await actor.leases.whenUp(AbortSignal.timeout(10_000));
  assert.deepEqual(await actor.leases.readHolders("key"), []);
});
