// TLS to a server that speaks it, from both threads, and what is said when its certificate is not trusted.

import assert from "node:assert/strict";
import { chown } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Locker, PostgresDatabase, type PostgresSource } from "../../../src/index.js";
import { makeAuthority, type Authority } from "../../support/certificates.js";
import { fastLimits, findBusy, newKey, take } from "../../support/lockers.js";
import { unprivileged } from "../../support/postgres-programs.js";
import { startPostgres, type PostgresServer } from "../../support/postgres-server.js";

let authority: Authority;
let other: Authority;
let server: PostgresServer;

before(async () => {
  [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
  const { certFile, keyFile } = await authority.sign("server");
  const as = unprivileged();
  if (as) await chown(keyFile, as.uid, as.gid);
  server = await startPostgres({ settings: { ssl: "on", ssl_cert_file: certFile, ssl_key_file: keyFile } });
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await authority[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

const open = (source: PostgresSource): Locker =>
  new Locker({ database: new PostgresDatabase(source, { recoveryMs: 700 }), ...fastLimits, acquireTimeoutMs: 20_000 });

const verified = (caFile: string): string => `${server.url}?sslmode=verify-full&sslrootcert=${caFile}`;

async function live(source: PostgresSource): Promise<void> {
  await using locker = open(source);
  await using second = open(source);
  const lease = await take(locker, newKey());
  await findBusy(second, lease.key);
  await lease.heartbeat.delay(1_000); // waits: for pings, and twice the trust of one
  const plain = await server.client();
  const { rows } = await plain.query("SELECT ssl, count(*)::int FROM pg_stat_ssl GROUP BY ssl ORDER BY ssl");
  await plain.end();
  const expected = [
    { ssl: false, count: 1 }, // who asks this
    { ssl: true, count: 4 },
  ];
  assert.deepEqual(rows, expected, "two connections of each locker");
  await lease.release();
}

test("a URL that asks for TLS, by the authority's certificate in a file, is all that a locker needs", async () => {
  await live(verified(authority.caFile));
});

test("the authority may be given in the options of pg", async () => {
  await live({ connectionString: server.url, ssl: { ca: authority.ca } });
});

test("a certificate of an unknown authority is said to be that", async () => {
  for (const source of [verified(other.caFile), { connectionString: server.url, ssl: { ca: other.ca } }]) {
    await using locker = open(source);
    const message = /certificate is not trusted: is sslrootcert/;
    await assert.rejects(locker.acquire("key"), { name: "StoreError", code: "denied", message });
  }
});
