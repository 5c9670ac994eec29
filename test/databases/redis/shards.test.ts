// A locker whose keys lie in several slots of a cluster: a session in each that is used, and one locker in front.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeadlockError, Locker, LockStatus, RedisDatabase, type LockerOptions } from "../../../src/index.js";
import { admin } from "../../support/admin.js";
import { fastLimits, fastSettings, findBusy, newPrefix, record, take, untilFree } from "../../support/lockers.js";
import { startCluster, type RedisCluster } from "../../support/redis-cluster.js";
import { waitUntil } from "../../support/wait.js";

const deadlineMs = 20_000;
let cluster: RedisCluster;

before(async () => {
  cluster = await startCluster();
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
});

function openDatabase(prefix: string, shards?: number): RedisDatabase {
  return new RedisDatabase(cluster.url, { ...fastSettings, prefix, ...(shards && { shards }) });
}

function openLocker(prefix: string, shards?: number, options: Partial<LockerOptions> = {}): Locker {
  return new Locker({ database: openDatabase(prefix, shards), ...fastLimits, ...options });
}

/** A key of each shard. */
function keysOf(prefix: string): string[] {
  const database = openDatabase(prefix);
  const names = Array.from({ length: 100 }, (_, i) => `key-${i}`);
  return database.shards!.map((_, shard) => names.find((name) => database.shardOf(name) === shard)!);
}

async function namesUnder(prefix: string): Promise<string[]> {
  const found = await Promise.all(cluster.nodes.map((node) => admin(node).keys(`${prefix}*`)));
  return [...new Set(found.flat())];
}

test("a shard that no key was asked of is not opened, and one thread serves those that were", async () => {
  const prefix = newPrefix();
  using worker = record("worker");
  const [one, other] = keysOf(prefix) as [string, string];
  await using locker = openLocker(prefix);
  const lease = await take(locker, one);
  const namespaces = async () => (await namesUnder(prefix)).filter((name) => name.endsWith("}n")).length;
  assert.equal(await namespaces(), 1);
  const more = await take(locker, other);
  assert.equal(await namespaces(), 2);
  assert.equal(worker.events.filter(({ state }) => state === "failed").length, 0);
  await Promise.all([lease.heartbeat(), more.heartbeat()]);
  await Promise.all([lease.release(), more.release()]);
});

test("keys of all shards are held, found busy and given back, one by one and all at once", async () => {
  const prefix = newPrefix();
  const keys = keysOf(prefix);
  await using locker = openLocker(prefix);
  await using other = openLocker(prefix);
  const acquired = await locker.acquireAll(keys);
  assert.ok(acquired.status === LockStatus.SUCCESS);
  for (const key of keys) await findBusy(other, key);
  const [first, ...rest] = keys as [string];
  await acquired.group.release();
  const blocker = await take(other, first);
  const refused = await locker.acquireAll(keys);
  assert.equal(refused.status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  for (const key of rest) await untilFree(other, key);
  const waits = locker.acquireAll(keys, { waitMs: deadlineMs });
  await blocker.release();
  assert.equal((await waits).status, LockStatus.SUCCESS);
});

test("a circle of waits through several shards ends with a DeadlockError", async () => {
  const prefix = newPrefix();
  const [a, b] = keysOf(prefix) as [string, string];
  await using one = openLocker(prefix);
  await using two = openLocker(prefix);
  let held = 0;
  const crossing = (locker: Locker, mine: string, theirs: string): Promise<string> =>
    locker
      .mutex(mine, async () => {
        held += 1;
        await waitUntil(() => held, 2, { deadlineMs, what: "both hold their first key" });
        await locker.mutex(theirs, () => undefined);
        return "went through";
      })
      .catch((error: unknown) => {
        assert.ok(error instanceof DeadlockError, String(error));
        return "deadlock";
      });
  const ends = await Promise.all([crossing(one, a, b), crossing(two, b, a)]);
  assert.deepEqual(ends.toSorted(), ["deadlock", "went through"]);
});

test("a locker that spreads its keys over another number of shards is refused", async () => {
  const prefix = newPrefix();
  await using locker = openLocker(prefix, 2);
  await (await take(locker, "key")).release();
  await using other = openLocker(prefix, 3, { acquireTimeoutMs: 3_000 });
  await assert.rejects(other.acquire("key"), { name: "StoreError", code: "unsupported", message: /shards is 3 here/ });
});

test("a key that is waited for in one shard is handed on, and a drained locker leaves nothing in any", async () => {
  const prefix = newPrefix();
  const keys = keysOf(prefix);
  await using other = openLocker(prefix);
  const locker = openLocker(prefix);
  const leases = await Promise.all(keys.map((key) => take(locker, key)));
  const waits = keys.map((key) => other.acquire(key, { waitMs: deadlineMs }));
  const queued = async () => (await namesUnder(prefix)).filter((name) => name.includes("}q:")).length;
  await waitUntil(queued, keys.length, { deadlineMs, what: "the queues" });
  await Promise.all(leases.map((lease) => lease.release()));
  const got = await Promise.all(waits);
  assert.ok(got.every(({ status }) => status === LockStatus.SUCCESS));
  assert.deepEqual(await locker.drain(), { settled: true, left: [] });
  await locker.close();
  const sessions = async () => (await namesUnder(prefix)).filter((name) => name.includes("}s:")).length;
  await waitUntil(sessions, keys.length, { deadlineMs, what: "the sessions of the other one alone" });
});
