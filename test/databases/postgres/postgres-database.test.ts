import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Pool, type Client } from "pg";
import { OptionError, PostgresDatabase, StoreError, type StoreErrorCode } from "../../../src/index.js";
import { systemClock } from "../../../src/clock.js";
import { openDatabase } from "../../../src/databases/described.js";
import { openUrl } from "../../../src/databases/open.js";
import type { PostgresSource } from "../../../src/databases/postgres/postgres-database.js";
import { openClient, startPostgres, type PostgresServer } from "../../support/postgres-server.js";

let server: PostgresServer;
let client: Client;

before(async () => {
  server = await startPostgres({ settings: { max_connections: "20" } });
  client = await openClient(server.url);
  await client.query(new PostgresDatabase(server.url).migration());
});

after(async () => {
  await client.end();
  await server[Symbol.asyncDispose]();
});

async function opened(source: PostgresSource, settings = {}): Promise<void> {
  const connection = new PostgresDatabase(source, settings).openLiveness(
    { clock: systemClock },
    { onPush: () => undefined, onClose: () => undefined },
  );
  try {
    await connection.ready;
    await connection.ping({ sessionId: "nobody.1", era: "", recoveryMs: 1, clockStepped: false });
  } finally {
    connection.close();
  }
}

async function fails(source: PostgresSource, code: StoreErrorCode, words: RegExp): Promise<void> {
  await assert.rejects(opened(source), (error: unknown) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  });
}

test("a URL, options, a pool and what describe() says of them open the same database", async () => {
  const { hostname, port } = new URL(server.url);
  const options = { host: hostname, port: Number(port), user: "pulselock", database: "postgres" };
  const pool = new Pool(options);
  for (const source of [server.url, server.url.replace("postgres:", "postgresql:"), options, pool]) {
    await opened(source);
    const database = await openDatabase(new PostgresDatabase(source, { recoveryMs: 700 }).describe());
    assert.ok(database instanceof PostgresDatabase);
    assert.equal(database.recoveryMs, 700);
  }
  assert.equal(pool.totalCount, 0, "the pool itself is left alone");
  await pool.end();
  assert.ok(openUrl(server.url) instanceof PostgresDatabase);
  assert.deepEqual(new PostgresDatabase(server.url).describe(), { type: "url", url: server.url });
});

test("options that nobody knows, or that break a rule, are refused at once", () => {
  for (const [source, settings, option] of [
    ["mysql://x/y", {}, "database"],
    [7, {}, "database"],
    [server.url, { prefix: "x" }, "prefix"],
    [server.url, { schema: 'a"b' }, "schema"],
    [server.url, { schema: "pg_locks" }, "schema"],
    [server.url, { recoveryMs: 0 }, "recoveryMs"],
    [server.url, { recoveryMs: 1e9 }, "recoveryMs"],
    [server.url, { commandTimeoutMs: -1 }, "commandTimeoutMs"],
    [server.url, { directUrl: "redis://x" }, "database"],
  ] as const) {
    assert.throws(
      () => new PostgresDatabase(source as string, settings as object),
      (error: unknown) => error instanceof OptionError && error.option === option,
      option,
    );
  }
  const secret = () => "secret";
  assert.throws(() => new PostgresDatabase({ password: secret }).describe(), OptionError);
});

test("what a server refuses is said in words that help", async () => {
  await client.query(
    `CREATE ROLE outsider LOGIN CONNECTION LIMIT 0;
     CREATE ROLE reader LOGIN SUPERUSER; ALTER ROLE reader SET default_transaction_read_only = on`,
  );
  await client.query("CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0");
  const as = (role: string) => server.url.replace("pulselock@", `${role}@`);
  await fails(as("outsider"), "unreachable", /too many connections/);
  await fails(as("reader"), "read-only", /standby or read-only/);
  await fails(as("nobody_at_all"), "denied", /user name or password/);
  await fails(server.url.replace("/postgres", "/nowhere"), "denied", /no such database/);
  await fails(server.url.replace("/postgres", "/latin"), "unsupported", /LATIN1; UTF8 is needed/);
  await fails(`${server.url}?sslmode=require`, "denied", /TLS/);
  await fails("postgres://127.0.0.1:1/x", "unreachable", /ECONNREFUSED/);
});

test("a role whose transactions are stricter works all the same", async () => {
  await client.query(
    "CREATE ROLE strict LOGIN SUPERUSER; ALTER ROLE strict SET default_transaction_isolation = serializable",
  );
  await opened(server.url.replace("pulselock@", "strict@"));
});

test("traces, keys and labels with any bytes are kept as they are", async () => {
  const { escapeText, unescapeText } = await import("../../../src/databases/postgres/records.js");
  for (const text of ["", "\0", "\\0", "\\\\0\0\\", "a\\b", "ключ\0🔒"]) {
    assert.equal(unescapeText(escapeText(text)), text);
    assert.ok(!escapeText(text).includes("\0"));
  }
});
