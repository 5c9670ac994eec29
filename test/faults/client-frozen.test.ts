// A main thread that is blocked, and a process that stands still: what it may believe when it goes on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LockStatus, type Locker } from "../../src/index.js";
import type { Child } from "../support/child.js";
import type { JobState } from "../support/fixtures/locker-process.js";
import { newKey, newPrefix, openLocker, record, spawnLocker, take } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const prefix = newPrefix();
const limits = { sessionTtlMs: 1_000, lockTtlMs: 20_000 };
let redis: RedisServer;
let peer: Locker;

before(async () => {
  redis = await startRedis();
  peer = openLocker(redis.url, prefix, limits);
  await peer.acquireAndRun(newKey(), (heartbeat) => heartbeat.delay(limits.sessionTtlMs)); // waits: to be steady
});

after(async () => {
  await peer.close();
  await redis[Symbol.asyncDispose]();
});

const untilEnded = (child: Child, key: string): Promise<JobState> =>
  waitUntil(
    () => child.request<JobState>("job", key),
    (job) => job !== "runs",
    {
      deadlineMs: 10_000,
      what: `the job of ${key}`,
    },
  );

test("a main thread blocked for twice the session TTL loses nothing, though a peer waits for the key", async () => {
  await using child = await spawnLocker(redis.url, prefix, limits);
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const stop = new AbortController();
  const waiting = take(peer, key, { waitMs: 60_000, signal: stop.signal });
  waiting.catch(() => undefined);
  await child.request("block", 2 * limits.sessionTtlMs);
  await child.request("heartbeat", key); // waits: answered when the main thread runs again
  assert.equal(await child.request("job", key), "runs");
  assert.equal((await peer.readHolder(key))?.fencingToken, token);
  stop.abort();
});

test("a main thread blocked for longer than the lock TTL loses its key to a peer, and is told so", async () => {
  await using child = await spawnLocker(redis.url, prefix, { ...limits, lockTtlMs: 1_000 });
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const waiting = take(peer, key, { waitMs: 60_000 });
  const startedMs = performance.now();
  await child.request("block", 3_500);
  const lease = await waiting;
  const tookMs = performance.now() - startedMs;
  assert.ok(lease.fencingToken > token);
  assert.ok(tookMs < 2_500, `took ${tookMs} ms`);
  await assert.rejects(child.request("heartbeat", key), (error: Error & { code: string }) => {
    assert.deepEqual([error.name, error.code], ["LockError", "expired"]);
    return /The event loop was \d+ ms late/.test(error.message);
  });
  assert.equal(((await untilEnded(child, key)) as { name: string }).name, "LockError");
  await lease.release();
  assert.equal((await child.request<{ status: string }>("acquire", key)).status, LockStatus.SUCCESS);
});

test("a lock TTL that ran out while the main thread was blocked is lost also when nobody wanted the key", async () => {
  await using child = await spawnLocker(redis.url, prefix, { ...limits, lockTtlMs: 1_000 });
  const key = newKey();
  await child.request("startJob", key, "beating");
  await child.request("block", 2_000);
  await assert.rejects(child.request("heartbeat", key), { name: "LockError", code: "expired" });
  assert.equal(await peer.readHolder(key), undefined);
});

test("a process stopped for less than its session TTL loses nothing, though a peer waits for the key", async () => {
  await using child = await spawnLocker(redis.url, prefix, limits);
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const stop = new AbortController();
  take(peer, key, { waitMs: 60_000, signal: stop.signal }).catch(() => undefined);
  await child.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, limits.sessionTtlMs / 2)); // waits: shorter than the TTL
  await child.kill("SIGCONT");
  await child.request("heartbeat", key);
  assert.equal((await peer.readHolder(key))?.fencingToken, token);
  stop.abort();
});

test("a process stopped for longer than its session TTL finds its key taken, at its first look", async () => {
  await using child = await spawnLocker(redis.url, prefix, limits);
  const [key, untaken] = [newKey(), newKey()];
  const token = await child.request<number>("startJob", key, "beating");
  await child.request("acquire", untaken);
  using granted = record("granted");
  await child.kill("SIGSTOP");
  const startedMs = performance.now();
  const lease = await take(peer, key, { waitMs: 60_000 });
  const tookMs = performance.now() - startedMs;
  assert.ok(lease.fencingToken > token);
  assert.ok(tookMs < limits.sessionTtlMs + 1_000, `took ${tookMs} ms`);
  assert.equal(granted.events.find((event) => event.key === key)?.takenFrom?.reason, "silent");

  await child.kill("SIGCONT");
  await assert.rejects(child.request("heartbeat", key), { name: "LockError", code: "taken-over" });
  const ended = await untilEnded(child, key);
  assert.ok(typeof ended === "object" && ended.code === "taken-over", JSON.stringify(ended));
  await child.request("heartbeat", untaken); // what nobody took is kept, under the next session
  await lease.release();
  assert.equal((await child.request<{ status: string }>("acquire", key)).status, LockStatus.SUCCESS);
});

test("a thawed process that asks synchronously is never told that a taken key is held", async () => {
  for (let round = 0; round < 3; round++) {
    await using child = await spawnLocker(redis.url, prefix, limits);
    const key = newKey();
    await child.request("acquire", key);
    await child.kill("SIGSTOP");
    const lease = await take(peer, key, { waitMs: 60_000 });
    // It is asked in the turn in which it goes on, before any message of its worker could be read.
    const asked = child.request<string>("state", key);
    await child.kill("SIGCONT");
    assert.notEqual(await asked, "held");
    await lease.release();
  }
});

test("a grant whose answer is read after the process was stopped and its key taken is no grant", async () => {
  await using proxy = await startProxy(redis.port);
  await using child = await spawnLocker(proxy.url, prefix, limits);
  await child.request("acquire", newKey());
  const key = newKey("k".repeat(500));
  proxy.hold({ down: true });
  const acquiring = child.request<{ status: string }>("acquire", key);
  const record = `${prefix}l:${key}`;
  await waitUntil(() => redis.client().exists(record), 1, { deadlineMs: 5_000, what: "the grant in the store" });
  await child.kill("SIGSTOP");
  const lease = await take(peer, key, { waitMs: 60_000 });
  proxy.heal();
  await child.kill("SIGCONT");
  const acquired = await withDeadline(acquiring, 15_000, "the late acquire's answer");
  assert.equal(acquired.status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  await lease.heartbeat();
  await lease.release();
});
