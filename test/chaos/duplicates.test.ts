import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { openClient, startPostgres } from "../support/postgres-server.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";
import { commandNames, duplicateCalls, isScriptCall } from "./duplicates.js";

const eval1 = "*4\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n$0\r\n\r\n";

test("only whole chunks of script calls may be repeated elsewhere", () => {
  assert.deepEqual(commandNames(Buffer.from(`${eval1}*1\r\n$4\r\nPING\r\n`)), ["eval", "ping"]);
  assert.equal(isScriptCall(Buffer.from(eval1 + eval1)), true);
  assert.equal(isScriptCall(Buffer.from(`${eval1}*1\r\n$4\r\nPING\r\n`)), false);
  assert.equal(isScriptCall(Buffer.from(eval1.slice(0, -3))), false, "cut short");
  assert.equal(isScriptCall(Buffer.from(eval1.slice(3))), false, "begins in the middle");
  assert.equal(isScriptCall(Buffer.from("PING\r\n")), false, "inline");
});

test("a doubled call is executed twice, its client hears of the second time, and the order is kept", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const client = new Redis(proxy.url);
  try {
    const count = `return redis.call("INCR", KEYS[1])`;
    const read = `return redis.call("GET", KEYS[1])`;
    await client.set("n", 0);
    const stop = duplicateCalls(proxy, () => true);
    assert.equal(await client.eval(count, 1, "n"), 2);
    const later = [client.eval(count, 1, "n"), client.eval(read, 1, "n")];
    assert.deepEqual(await Promise.all(later), [4, "4"], "what is behind it waits for both");
    stop();
    assert.equal(await client.eval(count, 1, "n"), 5, "nothing is doubled any more");
  } finally {
    client.disconnect();
  }
});

test("a doubled statement of PostgreSQL is executed twice as well", async () => {
  await using server = await startPostgres();
  await using proxy = await startProxy(server.port);
  const client = await openClient(`postgres://pulselock@127.0.0.1:${proxy.port}/postgres`);
  try {
    await client.query("CREATE SEQUENCE n");
    const count = async () => Number((await client.query("SELECT nextval('n') + $1 AS n", [0])).rows[0].n);
    const stop = duplicateCalls(proxy, () => true);
    assert.equal(await count(), 2);
    stop();
    assert.equal(await count(), 3);
  } finally {
    await client.end();
  }
});

test("what is sent after the end of the doubling waits for what is still being doubled", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const [client, direct] = [new Redis(proxy.url), new Redis(server.url)];
  try {
    await client.set("n", 0);
    await direct.client("PAUSE", 60_000, "WRITE");
    const stop = duplicateCalls(proxy, () => true);
    const doubled = client.eval(`return redis.call("INCR", KEYS[1])`, 1, "n");
    const isHeld = async () => proxy.heldBytes.up > 0;
    await waitUntil(isHeld, true, { deadlineMs: 5_000, what: "the original waits for its copy" });
    stop();
    const behind = client.echo("behind"); // a read: the server would answer it at once
    await direct.client("UNPAUSE");
    assert.deepEqual(await Promise.all([doubled, behind]), [2, "behind"]);
  } finally {
    client.disconnect();
    direct.disconnect();
  }
});
