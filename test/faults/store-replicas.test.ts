// A primary whose replica was promoted without its knowing: what a locker believes that asks for acknowledgements.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReplicaSettings } from "../../src/index.js";
import { Locker, LockStatus, RedisDatabase } from "../../src/index.js";
import { fastLimits, fastSettings, newPrefix, openLocker, record, take, untilFree } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";

const deadlineMs = 10_000;

async function startPair() {
  const [primary, replica] = await Promise.all([startRedis(), startRedis()]);
  await replica.client().call("REPLICAOF", "127.0.0.1", primary.port);
  const follows = async (): Promise<boolean> =>
    (await replica.client().info("replication")).includes("master_link_status:up");
  await waitUntil(follows, true, { deadlineMs, what: "the replica follows" });
  const dispose = async (): Promise<void> => {
    for (const server of [replica, primary]) await server[Symbol.asyncDispose]();
  };
  return { primary, replica, [Symbol.asyncDispose]: dispose };
}

/** Replicas are given less than the ping interval: a ping that waits longer is behind the next one. */
function openCareful(server: RedisServer, prefix: string, replicas: ReplicaSettings): Locker {
  const database = new RedisDatabase(server.url, { ...fastSettings, prefix, replicas });
  return new Locker({ database, ...fastLimits, acquireTimeoutMs: 5_000 });
}

describe("a primary that was replaced without knowing it", () => {
  test("grants nothing and keeps nobody's trust where every replica must acknowledge", async () => {
    await using pair = await startPair();
    const prefix = newPrefix();
    await using locker = openCareful(pair.primary, prefix, { count: 1, timeoutMs: 50 });
    await using moved = openLocker(pair.replica.url, prefix);
    const lease = await take(locker, "held");
    assert.equal(lease.state, "held");
    await pair.replica.client().call("REPLICAOF", "NO", "ONE");
    const newer = await take(moved, "held", { waitMs: deadlineMs });
    assert.equal(lease.state, "unsure", "nobody believes in it when it is granted anew");
    assert.throws(() => lease.assertHeld(), { name: "LockUnsureError" });
    assert.ok(newer.fencingToken > lease.fencingToken);
    await assert.rejects(locker.acquire("other"), { name: "StoreError", code: "unreplicated" });
    await using plain = openLocker(pair.primary.url, prefix);
    await untilFree(plain, "other");
    await newer.release();
  });

  test("is warned about, and grants, where that was asked for", async () => {
    await using pair = await startPair();
    const prefix = newPrefix();
    using told = record("store");
    await using locker = openCareful(pair.primary, prefix, { count: 1, timeoutMs: 50, otherwise: "warn" });
    await (await take(locker, "acknowledged")).release();
    const warnings = () => told.events.filter(({ code }) => code === "unreplicated");
    assert.deepEqual(warnings(), []);
    await pair.replica.client().call("REPLICAOF", "NO", "ONE");
    await (await take(locker, "one")).release();
    await (await take(locker, "two")).release();
    assert.equal(warnings().length, 1, "once, until a grant is acknowledged again");
  });
});

test("a key that is handed on is believed by its waiter once its own asking was acknowledged", async () => {
  await using pair = await startPair();
  const prefix = newPrefix();
  await using holder = openCareful(pair.primary, prefix, { count: 1, timeoutMs: 50 });
  await using waiter = openCareful(pair.primary, prefix, { count: 1, timeoutMs: 50 });
  const lease = await take(holder, "key");
  const waits = waiter.acquire("key", { waitMs: 60_000 });
  const queued = async (): Promise<number> => pair.primary.client().exists(`${prefix}q:key`);
  await waitUntil(queued, 1, { deadlineMs, what: "the waiter's place" });
  await pair.replica.client().call("REPLICAOF", "NO", "ONE");
  await lease.release();
  await assert.rejects(waits, { name: "StoreError", code: "unreplicated" });
});

test("acknowledged grants are as many as are asked for", async () => {
  await using pair = await startPair();
  await using locker = openCareful(pair.primary, newPrefix(), { count: 1 });
  const acquired = await Promise.all(Array.from({ length: 200 }, (_, i) => locker.acquire(`key-${i}`)));
  assert.ok(acquired.every(({ status }) => status === LockStatus.SUCCESS));
});
