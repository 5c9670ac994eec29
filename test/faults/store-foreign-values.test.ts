// Values that are not ours, or that a newer pulselock wrote, lie under our keys: they are named and left alone.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Redis } from "ioredis";
import { LockError, type Locker, type StoreError, type StoreErrorCode } from "../../src/index.js";
import { newKey, newPrefix, openLocker, take } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { storeErrorOf, takePatiently } from "./fixtures/store-answers.js";

const prefix = newPrefix();
let server: RedisServer;
let redis: Redis;
let locker: Locker;

before(async () => {
  server = await startRedis();
  redis = server.client();
  locker = openLocker(server.url, prefix);
});

after(async () => {
  await locker.close();
  await assertNothingLeft(server, { prefix });
  await server[Symbol.asyncDispose]();
});

/** What waiting does not mend is told so soon, ms: far below the default acquireTimeoutMs of 10 s. */
const soonMs = 5_000;

async function assertStoreError(promise: Promise<unknown>, code: StoreErrorCode, message: RegExp): Promise<void> {
  const error = await storeErrorOf(promise, soonMs);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
}

/** What the store says of a key, time to live included. */
async function lookAt(key: string): Promise<[string, string | undefined, number]> {
  const dump = await redis.dumpBuffer(key);
  return [await redis.type(key), dump?.toString("hex"), await redis.pttl(key)];
}

/** Runs `act` and checks that the value under `key` is what it was. */
async function leavesAlone(key: string, act: () => Promise<void>): Promise<void> {
  const before = await lookAt(key);
  await act();
  assert.deepEqual(await lookAt(key), before);
  await redis.del(key);
}

describe("under a lease's key", () => {
  const foreign: Record<string, (key: string) => Promise<unknown>> = {
    "a list": (key) => redis.rpush(key, "a", "b"),
    "a hash": (key) => redis.hset(key, "field", "value"),
    "a set": (key) => redis.sadd(key, "member"),
    "a stream": (key) => redis.xadd(key, "*", "field", "value"),
    "a foreign string": (key) => redis.set(key, "session:42"),
    "an empty string": (key) => redis.set(key, ""),
    "a number": (key) => redis.incr(key),
  };
  for (const [what, write] of Object.entries(foreign)) {
    test(`${what} is named in the error of an acquire and left alone`, async () => {
      const key = newKey();
      await write(`${prefix}l:${key}`);
      await leavesAlone(`${prefix}l:${key}`, async () => {
        await assertStoreError(locker.acquire(key), "foreign-value", new RegExp(`"${key}".*left untouched`));
        await assertStoreError(locker.readHolder(key), "foreign-value", /left untouched/);
      });
      await (await take(locker, key)).release();
    });
  }

  test("one foreign key among 64 acquires of one turn fails alone", async () => {
    const keys = Array.from({ length: 64 }, () => newKey());
    const foreignKey = keys[30]!;
    await redis.rpush(`${prefix}l:${foreignKey}`, "a");
    await leavesAlone(`${prefix}l:${foreignKey}`, async () => {
      const outcomes = await Promise.allSettled(keys.map((key) => take(locker, key)));
      const granted = outcomes.filter((outcome) => outcome.status === "fulfilled").map(({ value }) => value);
      const failures = outcomes.filter((outcome) => outcome.status === "rejected");
      assert.equal(granted.length, 63);
      assert.equal((failures[0]?.reason as StoreError | undefined)?.code, "foreign-value");
      assert.equal(new Set(granted.map(({ fencingToken }) => fencingToken)).size, 63);
      await Promise.all(granted.map((lease) => lease.heartbeat()));
      await Promise.all(granted.map((lease) => lease.release()));
    });
    assert.deepEqual(await redis.keys(`${prefix}l:*`), []);
  });

  test("a value that overwrites a held lease's record is left alone, and the holder is told", async () => {
    const key = newKey();
    const lease = await take(locker, key, { lockTtlMs: 2_000 });
    await redis.del(`${prefix}l:${key}`);
    await redis.rpush(`${prefix}l:${key}`, "a");
    await leavesAlone(`${prefix}l:${key}`, async () => {
      const lost = async (): Promise<boolean> => lease.heartbeat().then(() => false);
      await assert.rejects(withDeadline(untilTrue(lost), soonMs, "the loss"), (error: LockError) => {
        assert.ok(error instanceof LockError);
        assert.equal(error.code, "taken-over");
        assert.match(String(error.cause), /left untouched/);
        return true;
      });
      await lease.release();
    });
  });

  test("a lease record of a newer format grants nothing and says so", async () => {
    const key = newKey();
    const record = `2 x other.1 7 99 1700000000000 era more fields`;
    await redis.set(`${prefix}l:${key}`, record);
    await leavesAlone(`${prefix}l:${key}`, async () => {
      const [newer, neighbour] = [locker.acquire(key), take(locker, newKey())];
      await assertStoreError(newer, "newer-version", new RegExp(`"${key}".*upgrade.*format 2`));
      await assertStoreError(locker.readHolder(key), "newer-version", /upgrade/);
      await (await neighbour).release();
    });
  });
});

describe("under the namespace's key", () => {
  const spoiled: [string, StoreErrorCode, RegExp, (key: string) => Promise<unknown>][] = [
    ["a foreign type", "foreign-value", /left untouched.*:n\)/, (key) => redis.set(key, "mine")],
    ["a newer format", "newer-version", /upgrade.*format 2/, (key) => redis.hset(key, { v: 2, run: "x", era: "y" })],
  ];
  for (const [what, code, message, write] of spoiled) {
    test(`${what} is named at the first acquire and left alone, and all works once it is gone`, async () => {
      const ownPrefix = newPrefix();
      await using own = openLocker(server.url, ownPrefix);
      await write(`${ownPrefix}n`);
      await leavesAlone(`${ownPrefix}n`, () => assertStoreError(own.acquire("key"), code, message));
      await (await takePatiently(own, "key")).release();
      await own.close();
      await assertNothingLeft(server, { prefix: ownPrefix });
    });
  }

  test("a newer format that appears while a job runs stops grants, and the job goes on when it is gone", async () => {
    const ownPrefix = newPrefix();
    await using own = openLocker(server.url, ownPrefix);
    const lease = await take(own, "kept");
    await redis.hset(`${ownPrefix}n`, "v", 2);
    await waitUntil(() => lease.state, "unsure", { deadlineMs: 3_000, what: "the state of what is held" });
    await assertStoreError(own.acquire("other"), "newer-version", /upgrade/);
    const beat = lease.heartbeat();
    await redis.hset(`${ownPrefix}n`, "v", 1);
    await withDeadline(beat, 5_000, "the heartbeat that waited");
    await lease.release();
    await own.close();
    await assertNothingLeft(server, { prefix: ownPrefix });
  });
});

describe("under a session's key", () => {
  test("a foreign type is named and left alone; the job goes on under another session once it is gone", async () => {
    const ownPrefix = newPrefix();
    await using own = openLocker(server.url, ownPrefix);
    const lease = await take(own, "kept");
    const [sessionKey] = await redis.keys(`${ownPrefix}s:*`);
    assert.ok(sessionKey);
    await redis.set(sessionKey, "mine");
    await leavesAlone(sessionKey, async () => {
      await waitUntil(() => lease.state, "unsure", { deadlineMs: 3_000, what: "the state of what is held" });
      await assertStoreError(own.acquire("other"), "foreign-value", /left untouched/);
    });
    await withDeadline(lease.heartbeat(), 5_000, "the heartbeat that waited");
    await lease.release();
    await own.close();
    await assertNothingLeft(server, { prefix: ownPrefix });
  });
});

async function untilTrue(read: () => Promise<boolean>): Promise<void> {
  while (!(await read())) await new Promise((resolve) => setTimeout(resolve, 20)); // waits: the next renewal
}
