// Redis has no memory left: what is held stays held and can be given back, and nothing new is granted.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Redis } from "ioredis";
import { openLocker, take } from "../support/lockers.js";
import { countCommands } from "../support/monitor.js";
import { startRedis } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { storeErrorOf } from "./fixtures/store-answers.js";
import { Fleet } from "./fixtures/store-fleet.js";

const prefix = "pulselock:";
const soonMs = 5_000;

/** Writes until the store refuses, and lowers the limit a little further: no small write may slip through. */
async function fill(redis: Redis): Promise<void> {
  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
  await redis.config("SET", "maxmemory", (await used()) + 4_000_000);
  for (let i = 0; await fits(redis, `filler:${i}`); i++);
  await redis.config("SET", "maxmemory", (await used()) - 1_000_000);
  await assert.rejects(redis.set("small", "x"), /OOM/);
}

async function fits(redis: Redis, key: string): Promise<boolean> {
  try {
    await redis.set(key, Buffer.alloc(100_000, "x"));
    return true;
  } catch (error) {
    assert.match(String(error), /OOM/);
    return false;
  }
}

async function free(redis: Redis): Promise<void> {
  await redis.del(await redis.keys("filler:*"));
}

async function assertOutOfMemory(promise: Promise<unknown>): Promise<void> {
  const error = await storeErrorOf(promise, soonMs);
  assert.equal(error.code, "out-of-memory", error.message);
  assert.match(error.message, /no memory left; nothing was granted/);
}

async function lastPing(redis: Redis): Promise<number> {
  const [sessionKey] = await redis.keys(`${prefix}s:*`);
  return Number(await redis.hget(String(sessionKey), "last"));
}

describe("a Redis out of memory", { concurrency: true }, () => {
  test("goes on serving pings, heartbeats, renewals and releases, and refuses grants clearly", async () => {
    await using server = await startRedis();
    const redis = server.client();
    await using locker = openLocker(server.url, prefix, { lockTtlMs: 2_500 });
    const [kept, given] = [await take(locker, "kept"), await take(locker, "given")];
    const { fencingToken } = kept;
    await fill(redis);
    const filledAt = await lastPing(redis);
    await assertOutOfMemory(locker.acquire("refused"));
    await Promise.all(Array.from({ length: 100 }, (_, i) => assertOutOfMemory(locker.acquire(`refused-${i}`))));
    await given.release();
    assert.deepEqual(await redis.keys(`${prefix}l:*`), [`${prefix}l:kept`]);
    await kept.heartbeat.delay(3_000); // waits: for longer than the lease lives when nobody renews it
    assert.equal(kept.state, "held");
    assert.ok((await redis.pttl(`${prefix}l:kept`)) > 1_000, "it was renewed");
    assert.ok((await lastPing(redis)) > filledAt + 2_500, "it was pinged");
    await free(redis);
    const granted = await take(locker, "refused");
    assert.ok(granted.fencingToken > fencingToken);
    await Promise.all([granted.release(), kept.release()]);
    await locker.close();
    await assertNothingLeft(server);
  });

  test("lets a process start and leave, and tells it why nothing is granted", async () => {
    await using server = await startRedis();
    const redis = server.client();
    await using first = openLocker(server.url, prefix);
    await (await take(first, "key")).release();
    await first.close();
    await fill(redis);
    await using second = openLocker(server.url, prefix);
    await assertOutOfMemory(second.acquire("key"));
    await free(redis);
    await (await take(second, "key")).release();
    await fill(redis);
    await second.close();
    await assertNothingLeft(server);
  });

  test("refuses a dead holder's key clearly and without haste, and grants it once memory is freed", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const redis = server.client();
    const victim = await fleet.add({ url: server.url });
    const token = await victim.run("key");
    await using contender = openLocker(server.url, prefix);
    await (await take(contender, "other")).release();
    await fill(redis);
    const channels = async (): Promise<number> => (await redis.pubsub("CHANNELS", `${prefix}c:*`)).length;
    await victim.child.kill("SIGKILL");
    await waitUntil(channels, 1, { deadlineMs: soonMs, what: "the channels of living processes" });
    const { byCommand } = await countCommands(server.url, () => assertOutOfMemory(contender.acquire("key")));
    assert.ok((byCommand["evalsha"] ?? 0) < 100, JSON.stringify(byCommand));
    await free(redis);
    const lease = await take(contender, "key");
    assert.ok(lease.fencingToken > token);
    await lease.release();
    await contender.close();
    await assertNothingLeft(server, { tombstones: 1 });
  });
});
