// Several processes that wait for one key, on a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Redis } from "ioredis";
import { LockStatus } from "../../src/index.js";
import type { Child } from "../support/child.js";
import {
  newKey,
  newPrefix,
  openLocker,
  queueLength,
  record,
  spawnLocker,
  take,
  untilFree,
} from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const prefix = newPrefix();
const deadlineMs = 10_000;
let server: RedisServer;
let redis: Redis;
let children: Child[];

before(async () => {
  server = await startRedis();
  redis = server.client();
  children = await Promise.all([1, 2, 3, 4].map(() => spawnLocker(server.url, prefix)));
  await Promise.all(children.map((child) => acquire(child, newKey("warm"))));
});
after(async () => {
  await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  await server[Symbol.asyncDispose]();
});

/** Resolves with the time of the grant. */
async function acquire(child: Child | undefined, key: string, waitMs = 60_000): Promise<number> {
  const acquired = await child?.request<{ status: string }>("acquire", key, { waitMs });
  assert.equal(acquired?.status, LockStatus.SUCCESS);
  return performance.now();
}

const queueOf = (key: string): string => `${prefix}q:${key}`;

/** So many stand in the key's queue. */
const untilQueued = (key: string, count: number): Promise<unknown> =>
  waitUntil(() => queueLength(redis, prefix, key), count, { deadlineMs, what: `the queue of ${key}` });

/** These processes queue for the key, in this order. */
async function queue(key: string, waiting: readonly (Child | undefined)[]): Promise<Promise<number>[]> {
  const grants: Promise<number>[] = [];
  for (const child of waiting) {
    grants.push(acquire(child, key));
    grants.at(-1)?.catch(() => undefined);
    await untilQueued(key, grants.length);
  }
  return grants;
}

async function replace(index: number): Promise<void> {
  children[index] = await spawnLocker(server.url, prefix);
  await acquire(children[index], newKey("warm"));
}

test("processes are granted a key in the order in which they queued, each within moments", async () => {
  const key = newKey();
  const [holder, ...waiting] = children;
  await acquire(holder, key);
  const grants = await queue(key, waiting.toReversed());
  let gaveMs = performance.now();
  await holder?.request("release", key);
  for (const [i, child] of waiting.toReversed().entries()) {
    const tookMs = (await withDeadline(grants[i]!, deadlineMs, "the next grant")) - gaveMs;
    assert.ok(tookMs < 500, `waiter ${i} was granted after ${tookMs} ms: told by nobody?`);
    gaveMs = performance.now();
    await child.request("release", key);
  }
  assert.equal(await redis.exists(queueOf(key)), 0);
});

test("a killed holder's key goes to the first of three within moments, whoever that is", async () => {
  const key = newKey();
  await acquire(children[3], key);
  const grants = await queue(key, children.slice(0, 3));
  const killedMs = performance.now();
  await children[3]?.kill("SIGKILL");
  const tookMs = (await withDeadline(grants[0]!, deadlineMs, "the grant")) - killedMs;
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
  await children[0]?.request("release", key);
  await withDeadline(grants[1]!, deadlineMs, "the second grant");
  await children[1]?.request("release", key);
  await withDeadline(grants[2]!, deadlineMs, "the third grant");
  await children[2]?.request("release", key);
  await replace(3);
});

test("a first waiter that was killed stands in nobody's way, and its place is cleared away", async () => {
  const key = newKey();
  await acquire(children[3], key);
  const grants = await queue(key, children.slice(0, 3));
  await children[0]?.kill("SIGKILL");
  const gaveMs = performance.now();
  await children[3]?.request("release", key);
  const tookMs = (await withDeadline(grants[1]!, deadlineMs, "the second's grant")) - gaveMs;
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
  await waitUntil(() => queueLength(redis, prefix, key), 1, { deadlineMs, what: "the dead one's place given up" });
  await children[1]?.request("release", key);
  await withDeadline(grants[2]!, deadlineMs, "the third grant");
  await children[2]?.request("release", key);
  await replace(0);
});

test("holder and first waiter killed together cost the next one less than two seconds", async () => {
  const key = newKey();
  await acquire(children[3], key);
  const grants = await queue(key, children.slice(0, 3));
  const killedMs = performance.now();
  await Promise.all([children[3]?.kill("SIGKILL"), children[0]?.kill("SIGKILL")]);
  const tookMs = (await withDeadline(grants[1]!, deadlineMs, "the grant")) - killedMs;
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
  await children[1]?.request("release", key);
  await withDeadline(grants[2]!, deadlineMs, "the next grant");
  await children[2]?.request("release", key);
  await Promise.all([replace(0), replace(3)]);
});

test("a waiter that aborts in the instant of its grant passes the key on", async () => {
  const key = newKey();
  await using locker = openLocker(server.url, prefix);
  await (await take(locker, newKey("warm"))).release();
  for (let turn = 0; turn < 12; turn++) {
    await acquire(children[0], key);
    const stop = new AbortController();
    const waiting = locker.acquire(key, { waitMs: 60_000, signal: stop.signal }).catch(() => undefined);
    await untilQueued(key, 1);
    const next = acquire(children[1], key);
    await untilQueued(key, 2);
    void children[0]?.request("release", key);
    // Turns of the event loop, not ms: from before the push is on its way until after it was handled.
    const isGone = async (): Promise<boolean> => (await queueLength(redis, prefix, key)) < 2;
    await waitUntil(isGone, true, { deadlineMs, what: "the grant" });
    for (let i = 0; i < turn; i++) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error("enough"));
    const acquired = await waiting;
    if (acquired?.status === LockStatus.SUCCESS) await acquired.lease.release();
    await withDeadline(next, deadlineMs, "the next waiter's grant");
    await children[1]?.request("release", key);
  }
});

test("a grant that nobody was told of is found when the waiter asks again", async () => {
  const key = newKey();
  await acquire(children[0], key);
  const [grant] = await queue(key, [children[1]]);
  const [n = "", entry = ""] = Object.entries(await redis.hgetall(queueOf(key))).find(([, v]) => v.startsWith("1 x"))!;
  const channel = / (\S+g:\S+)$/.exec(entry)?.[1] ?? "";
  await redis.hset(queueOf(key), n, entry.replace(channel, channel.replace(/.$/, "?"))); // heard by nobody
  await redis.subscribe(channel.replace(/.$/, "?"));
  const gaveMs = performance.now();
  await children[0]?.request("release", key);
  const tookMs = (await withDeadline(grant!, deadlineMs, "the grant")) - gaveMs;
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
  await children[1]?.request("release", key);
});

test("a locker that is closed while it waits leaves nothing behind, and passes on what it was granted", async () => {
  const key = newKey();
  await acquire(children[0], key);
  const locker = openLocker(server.url, prefix);
  const outcomes = [1, 2, 3].map(() => locker.mutex(key, () => assert.fail("the job ran")).catch((e: Error) => e.name));
  await untilQueued(key, 1);
  await locker.close();
  assert.deepEqual(
    await Promise.all(outcomes),
    Array.from({ length: 3 }, () => "LockerClosedError"),
  );
  assert.equal(await redis.exists(queueOf(key)), 0);
  await children[0]?.request("release", key);
  await using bystander = openLocker(server.url, prefix);
  await untilFree(bystander, key);
});

test("a server that is restarted empty has its waiters queue again, and the holder keeps its key", async () => {
  await using other = await startRedis();
  await using holder = await spawnLocker(other.url, prefix);
  await using first = await spawnLocker(other.url, prefix);
  await using second = await spawnLocker(other.url, prefix);
  const key = newKey();
  await acquire(holder, key);
  const grants = [acquire(first, key), acquire(second, key)];
  const queued = (): Promise<number> => queueLength(other.client(), prefix, key);
  await waitUntil(queued, 2, { deadlineMs, what: "the queue" });
  await other.restart({ keepData: false });
  await waitUntil(queued, 2, { deadlineMs, what: "the queue after the restart" });
  await waitUntil(() => holder.request("state", key), "held", { deadlineMs, what: "the holder, sure again" });
  await holder.request("release", key);
  const firstOf = Promise.race(grants.map((grant, i) => grant.then(() => i)));
  const winner = await withDeadline(firstOf, deadlineMs, "the grant after the restart");
  await [first, second][winner]?.request("release", key);
  await withDeadline(Promise.all(grants), deadlineMs, "the last grant");
});

test("local waiters and another process take turns, with tokens that only grow", async () => {
  const key = newKey();
  await using locker = openLocker(server.url, prefix);
  using granted = record("granted");
  const tokens: number[] = [];
  let isOver = false;
  const local = Array.from({ length: 20 }, async () => {
    while (!isOver) await locker.mutex(key, (_heartbeat, lease) => void tokens.push(lease.fencingToken));
  });
  const turns: number[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const askedMs = performance.now();
    turns.push((await withDeadline(acquire(children[0], key), deadlineMs, "the other's turn")) - askedMs);
    await children[0]?.request("release", key);
  }
  isOver = true;
  await Promise.all(local);
  assert.deepEqual(
    tokens,
    tokens.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(tokens).size, tokens.length);
  assert.ok(granted.events.filter((event) => event.key === key).length >= tokens.length);
  assert.ok(Math.min(...turns) < 200, `the other's turns took ${turns.map(Math.round).join(", ")} ms`);
});
