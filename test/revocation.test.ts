import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Locker } from "../src/index.js";
import { newKey, newPrefix, openLocker, take, untilFree } from "./support/lockers.js";
import { sharedRedis, type SharedRedis } from "./support/redis-server.js";

const prefix = newPrefix();
let redis: SharedRedis;
let locker: Locker;
let other: Locker;

before(async () => {
  redis = await sharedRedis();
  locker = openLocker(redis.url, prefix);
  other = openLocker(redis.url, prefix);
  await Promise.all([locker, other].map((each) => each.acquireAndRun(newKey(), () => undefined)));
});

after(async () => {
  await Promise.all([locker.close(), other.close()]);
  await redis[Symbol.asyncDispose]();
});

test("a grace that is negative or no whole number is refused, and so is an option that is none", async () => {
  for (const graceMs of [-1, 0.5, NaN, Infinity]) {
    await assert.rejects(locker.revoke("k", { graceMs }), /^OptionError: graceMs \(.*\) must be a whole number of ms/);
  }
  await assert.rejects(locker.revoke("k", { grace: 1 } as object), /^OptionError: grace \(1\) is not an option/);
  await assert.rejects(locker.revoke(""), /^OptionError: key/);
});

test("revoking a key that nobody holds says so", async () => {
  assert.deepEqual(await locker.revoke(newKey()), { status: "free" });
});

test("a holder that is asked stops with the code revoked, and the key is free", async () => {
  const key = newKey();
  const job = other.acquireAndRun(key, async (heartbeat) => {
    for (;;) await heartbeat.delay(50); // waits: ends with the revocation
  });
  const outcome = job.catch((error: unknown) => error);
  while (!(await locker.readHolder(key)));
  assert.deepEqual(await locker.revoke(key, { graceMs: 5_000 }), { status: "released" });
  assert.equal(((await outcome) as { code: string }).code, "revoked");
  await untilFree(locker, key);
});

test("by force the key of one that does not stop is taken, and whoever waits has it next", async () => {
  const key = newKey();
  const lease = await take(other, key);
  const next = locker.mutex(key, (_heartbeat, { fencingToken }) => fencingToken);
  assert.deepEqual(await locker.revoke(key, { graceMs: 50, force: true }), { status: "forced" });
  assert.ok((await next) > lease.fencingToken);
  await assert.rejects(lease.heartbeat(), (error: { code: string }) => error.code === "revoked");
  await lease.release();
});

test("readers and users of permits are revoked by force as well", async () => {
  for (const options of [{ mode: "shared" }, { permits: { limit: 3, take: 2 } }] as const) {
    const key = newKey();
    const lease = await take(other, key, options);
    assert.deepEqual(await locker.revoke(key, { graceMs: 0, force: true }), { status: "forced" });
    await untilFree(locker, key);
    await lease.release();
  }
});

test("a holder that does not listen keeps its key, and who asked is told", async () => {
  const key = newKey();
  const lease = await take(other, key);
  assert.deepEqual(await locker.revoke(key, { graceMs: 100 }), { status: "revoked" });
  assert.ok(lease.signal.aborted);
  assert.ok(await locker.readHolder(key));
  await lease.release();
  await untilFree(locker, key);
});

test("a key that is merely kept after its job's end has nobody to be asked, by force or not", async () => {
  const key = newKey();
  await other.acquireAndRun(key, () => undefined, { minHoldMs: 60_000 });
  for (const force of [false, true]) assert.deepEqual(await locker.revoke(key, { force }), { status: "free" });
});
