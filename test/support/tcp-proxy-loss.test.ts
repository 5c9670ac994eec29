import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { startRedis } from "./redis-server.js";
import { startProxy } from "./tcp-proxy.js";

test("a lost chunk arrives one retransmission late, twice lost three, and what is behind it waits", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const client = new Redis(proxy.url);
  await client.ping();
  // Up: lost once. Down: lost twice.
  const draws = [0, 1, 0, 0, 1];
  proxy.lose(0.2, () => draws.shift() ?? 1);
  const startedMs = performance.now();
  assert.equal(await client.ping(), "PONG");
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 800 && tookMs < 2_000, `${tookMs} ms`);
  assert.deepEqual(draws, []);
  proxy.lose(0);
  const againMs = performance.now();
  await client.ping();
  assert.ok(performance.now() - againMs < 400);
  client.disconnect();
});

test("new connections lead to another server once the proxy says so", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  await using proxy = await startProxy(first.port);
  const before = new Redis(proxy.url);
  await before.set("who", "first");
  proxy.targetPort = second.port;
  const after = new Redis(proxy.url);
  assert.deepEqual([await before.get("who"), await after.get("who")], ["first", null]);
  before.disconnect();
  after.disconnect();
});
