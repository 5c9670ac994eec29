import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { startRedis } from "./redis-server.js";
import { startProxy } from "./tcp-proxy.js";

test("a lost chunk arrives one retransmission late, twice lost three, and what is behind it waits", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  using client = through(proxy.url);
  await client.redis.ping();
  // Up: lost once. Down: lost twice.
  const draws = [0, 1, 0, 0, 1];
  proxy.lose(0.2, () => draws.shift() ?? 1);
  const startedMs = performance.now();
  assert.equal(await client.redis.ping(), "PONG");
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 790, `${tookMs} ms`);
  assert.deepEqual(draws, []);
  proxy.lose(0);
  assert.equal(await client.redis.ping(), "PONG");
});

test("new connections lead to another server once the proxy says so", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  await using proxy = await startProxy(first.port);
  using before = through(proxy.url);
  await before.redis.set("who", "first");
  proxy.targetPort = second.port;
  using after = through(proxy.url);
  assert.deepEqual([await before.redis.get("who"), await after.redis.get("who")], ["first", null]);
});

/** Gone with the test, also with one that fails: a client that reconnects keeps its process alive. */
function through(url: string): { redis: Redis } & Disposable {
  const redis = new Redis(url);
  return { redis, [Symbol.dispose]: () => redis.disconnect() };
}
