// A Redis that answers, but not as it must: no password, a replica, a policy that drops keys, a port without TLS.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Locker, RedisDatabase } from "../../src/index.js";
import type { LockerOptions, RedisDatabaseSettings, StoreErrorCode } from "../../src/index.js";
import { fastLimits, fastSettings, take } from "../support/lockers.js";
import { countCommands } from "../support/monitor.js";
import { freePort } from "../support/ports.js";
import { startRedis } from "../support/redis-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { storeErrorOf, takePatiently } from "./fixtures/store-answers.js";

/** What waiting does not mend is told so soon, ms: far below the default acquireTimeoutMs of 10 s. */
const soonMs = 5_000;

function openSlow(url: string, settings: RedisDatabaseSettings = {}, options: Partial<LockerOptions> = {}): Locker {
  const database = new RedisDatabase(url, { ...fastSettings, ...settings });
  return new Locker({ database, ...fastLimits, ...options });
}

async function assertRefusedSoon(url: string, code: StoreErrorCode, message: RegExp): Promise<void> {
  await using locker = openSlow(url);
  const error = await storeErrorOf(locker.acquire("key"), soonMs);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
}

describe("a Redis that refuses", { concurrency: 4 }, () => {
  test("a missing password is told at once", async () => {
    await using server = await startRedis({ password: "secret" });
    await assertRefusedSoon(`redis://127.0.0.1:${server.port}`, "denied", /password/);
  });

  test("a wrong password is told at once", async () => {
    await using server = await startRedis({ password: "secret" });
    await assertRefusedSoon(`redis://:wrong@127.0.0.1:${server.port}`, "denied", /wrong user name or password/);
  });

  test("a TLS client at a plain port is told within acquireTimeoutMs, with a guess at the reason", async () => {
    await using server = await startRedis();
    await using locker = openSlow(`rediss://127.0.0.1:${server.port}`, {}, { acquireTimeoutMs: 4_000 });
    const error = await storeErrorOf(locker.acquire("key"), 4_000 + soonMs);
    assert.equal(error.code, "unreachable"); // a frozen Redis looks the same, and that one may answer again
    assert.match(error.message, /does that port speak TLS/);
  });

  test("a replica is told when acquireTimeoutMs is over, and an acquire goes on once it is promoted", async () => {
    await using primary = await startRedis();
    await using server = await startRedis({ extraArgs: ["--replicaof", "127.0.0.1", String(primary.port)] });
    await using locker = openSlow(server.url, {}, { acquireTimeoutMs: 3_000 });
    const error = await storeErrorOf(locker.acquire("key"), 3_000 + soonMs);
    assert.equal(error.code, "read-only", error.message);
    assert.match(error.message, /replica.*READONLY/);
    await using patient = openSlow(server.url);
    const acquired = take(patient, "patient");
    await server.client().replicaof("NO", "ONE");
    await (await withDeadline(acquired, 10_000, "the grant")).release();
    await Promise.all([locker.close(), patient.close()]);
    await assertNothingLeft(server);
  });

  test("a primary that is demoted stops nobody's job; a release waits for its promotion without haste", async () => {
    await using server = await startRedis();
    const client = server.client();
    await using locker = openSlow(server.url, {}, { acquireTimeoutMs: 3_000 });
    const [kept, given] = [await takePatiently(locker, "kept"), await take(locker, "given")];
    await client.replicaof("127.0.0.1", await freePort()); // of nobody, so its data stays
    await waitUntil(() => kept.state, "unsure", { deadlineMs: 3_000, what: "the state of what is held" });
    assert.equal((await storeErrorOf(locker.acquire("other"), soonMs)).code, "read-only");
    await given.release();
    const { byCommand } = await countCommands(server.url, 1_000); // waits: the rate of repeats is what is looked at
    const repeats = byCommand["evalsha"] ?? 0;
    assert.ok(repeats > 0 && repeats < 40, `${repeats} commands a second`);
    await client.replicaof("NO", "ONE");
    await withDeadline(kept.heartbeat(), 10_000, "the heartbeat that waited");
    await kept.release();
    await (await takePatiently(locker, "given")).release();
    await locker.close();
    await assertNothingLeft(server);
  });

  test("a Redis that misses its replicas is told in time, and jobs go on once it has them", async () => {
    await using server = await startRedis();
    await using locker = openSlow(server.url, {}, { acquireTimeoutMs: 3_000 });
    const kept = await takePatiently(locker, "kept");
    await server.client().config("SET", "min-replicas-to-write", 1);
    await waitUntil(() => kept.state, "unsure", { deadlineMs: 3_000, what: "the state of what is held" });
    const error = await storeErrorOf(locker.acquire("other"), 3_000 + soonMs);
    assert.match(error.message, /refused.*NOREPLICAS/);
    await server.client().config("SET", "min-replicas-to-write", 0);
    await withDeadline(kept.heartbeat(), 10_000, "the heartbeat that waited");
    await kept.release();
    await locker.close();
    await assertNothingLeft(server);
  });

  test("a Redis busy with an endless script is asked without haste, and jobs go on once that is killed", async () => {
    await using server = await startRedis({ extraArgs: ["--lua-time-limit", "50"] });
    const redis = server.client();
    await using locker = openSlow(server.url);
    const [kept, given] = [await take(locker, "kept"), await take(locker, "given")];
    await redis.config("RESETSTAT");
    const endless = assert.rejects(server.client().eval("while true do end", 0), /killed/);
    await waitUntil(() => kept.state, "unsure", { deadlineMs: 3_000, what: "the state of what is held" });
    await given.release();
    const acquired = take(locker, "other");
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // waits: the rate of repeats is what is looked at
    await redis.script("KILL");
    await endless;
    const [, refusals] = /cmdstat_evalsha:.*rejected_calls=(\d+)/.exec(await redis.info("commandstats")) ?? [];
    assert.ok(Number(refusals) > 0 && Number(refusals) < 120, `${refusals} refusals`);
    await withDeadline(kept.heartbeat(), 10_000, "the heartbeat that waited");
    await (await withDeadline(acquired, 10_000, "the grant")).release();
    await kept.release();
    await locker.close();
    await assertNothingLeft(server);
  });

  test("a Redis that takes no more clients is told in time, and an acquire goes on once it does", async () => {
    await using server = await startRedis();
    const redis = server.client();
    await redis.config("SET", "maxclients", 1);
    await using locker = openSlow(server.url, {}, { acquireTimeoutMs: 3_000 });
    const error = await storeErrorOf(locker.acquire("key"), 3_000 + soonMs);
    assert.equal(error.code, "unreachable");
    assert.match(error.message, /max number of clients reached/);
    await using patient = openSlow(server.url);
    const acquired = take(patient, "key");
    await redis.config("SET", "maxclients", 100);
    await (await withDeadline(acquired, 10_000, "the grant")).release();
    await Promise.all([locker.close(), patient.close()]);
    await assertNothingLeft(server);
  });

  for (const policy of ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl"]) {
    test(`the eviction policy ${policy} is named at the first acquire`, async () => {
      await using server = await startRedis({ maxmemory: "64mb", extraArgs: ["--maxmemory-policy", policy] });
      await assertRefusedSoon(server.url, "eviction-policy", new RegExp(`${policy}.*noeviction.*allowEviction`));
    });
  }

  test("an eviction policy is accepted with allowEviction", async () => {
    await using server = await startRedis({ maxmemory: "64mb", extraArgs: ["--maxmemory-policy", "allkeys-lru"] });
    await using locker = openSlow(server.url, { allowEviction: true });
    await (await take(locker, "key")).release();
    await locker.close();
    await assertNothingLeft(server);
  });

  test("a locker that was refused for the eviction policy works as soon as that is mended", async () => {
    await using server = await startRedis({ maxmemory: "64mb", extraArgs: ["--maxmemory-policy", "allkeys-lru"] });
    await using locker = openSlow(server.url);
    assert.equal((await storeErrorOf(locker.acquire("key"), soonMs)).code, "eviction-policy");
    await server.client().config("SET", "maxmemory-policy", "noeviction");
    await (await takePatiently(locker, "key")).release();
    await locker.close();
    await assertNothingLeft(server);
  });
});
