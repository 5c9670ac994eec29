import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LockStatus, Locker } from "../../../src/index.js";
import { fastLimits, newKey, newPrefix, openLocker, record, spawnLocker, take } from "../../support/lockers.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";

const prefix = newPrefix();
let redis: RedisServer;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis[Symbol.asyncDispose]();
});

const prefixed = (keyPrefix: string) => ({ host: "127.0.0.1", port: redis.port, keyPrefix });

/** What tells processes of one host apart would decide sooner: without it only the store's knowledge is left. */
async function forgetHost(records: string, sessionId: string): Promise<void> {
  await redis.client().hset(`${records}s:${sessionId}`, "bootId", "another host's");
}

test("every key and channel begins with the client's keyPrefix and then the database's own", async () => {
  await using locker = openLocker(prefixed("app1:"), prefix);
  await using lease = await take(locker, newKey());
  const names = await redis.client().keys("*");
  assert.deepEqual(names.map((name) => name.replace(/(:[nls]:?).*$/, "$1")).sort(), [
    `app1:${prefix}l:`,
    `app1:${prefix}n`,
    `app1:${prefix}s:`,
  ]);
  const sessionId = (await locker.readHolder(lease.key))!.sessionId;
  const channels = [`c:${sessionId}`, `g:${sessionId.split(".")[0]}`].map((name) => `app1:${prefix}${name}`);
  assert.deepEqual(((await redis.client().pubsub("CHANNELS")) as string[]).toSorted(), channels);
});

test("a keyPrefix of a live client in a module is respected by both threads", async () => {
  const env = { FIXTURE_URL: redis.url, FIXTURE_PREFIX: prefix, FIXTURE_KEY_PREFIX: "{live}:" };
  Object.assign(process.env, env);
  const moduleName = new URL("../../support/fixtures/live-client-database.js", import.meta.url).href;
  const locker = new Locker({ database: { moduleName, exportName: "database" }, ...fastLimits });
  const lease = await take(locker, newKey());
  await lease.heartbeat.delay(600); // waits: for longer than the trust of one ping
  const names = await redis.client().keys("{live}:*");
  assert.ok(names.includes(`{live}:${prefix}l:${lease.key}`) && names.includes(`{live}:${prefix}n`), names.join(" "));
  await locker.close();
});

test("with a keyPrefix a living holder is seen to live, and a dead one's connection is seen to be gone", async () => {
  const records = `app2:${prefix}`;
  await using locker = openLocker(prefixed("app2:"), prefix);
  await using child = await spawnLocker(prefixed("app2:"), prefix);
  using granted = record("granted");
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const holder = await locker.readHolder(key);
  assert.equal(holder?.pid, child.pid);
  await forgetHost(records, holder?.sessionId ?? "");
  await locker.acquireAndRun(newKey(), (heartbeat) => heartbeat.delay(fastLimits.sessionTtlMs)); // waits: to be steady
  assert.equal((await locker.acquire(key)).status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  const waiting = take(locker, key, { waitMs: 20_000 });
  const startedMs = performance.now();
  await child.kill("SIGKILL");
  const lease = await waiting;
  const tookMs = performance.now() - startedMs;
  const takenFrom = granted.events.find((event) => event.key === key)?.takenFrom;
  assert.equal(takenFrom?.reason, "disconnected");
  assert.ok(lease.fencingToken > token);
  assert.ok(tookMs < fastLimits.sessionTtlMs, `took ${tookMs} ms`);
  await lease.release();
});

test("two applications with different prefixes on one Redis do not see each other", async () => {
  const [one, two] = [openLocker(prefixed("one:"), prefix), openLocker(prefixed("two:"), prefix)];
  const key = newKey();
  const leases = await Promise.all([take(one, key), take(two, key)]);
  assert.deepEqual(
    leases.map(({ state }) => state),
    ["held", "held"],
  );
  const holders = await Promise.all([one.readHolder(key), two.readHolder(key)]);
  assert.notEqual(holders[0]?.sessionId, holders[1]?.sessionId);
  const channels = (await redis.client().pubsub("CHANNELS")) as string[];
  const own = holders.map((holder, i) => `${["one", "two"][i]}:${prefix}c:${holder?.sessionId}`);
  assert.ok(own.every((channel) => channels.includes(channel)));
  await leases[0]?.release();
  assert.equal((await two.readHolder(key))?.fencingToken, leases[1]?.fencingToken);
  await Promise.all([one.close(), two.close()]);
});

test("two databases with different prefixes of their own do not see each other either", async () => {
  const [one, two] = [openLocker(redis.url, newPrefix()), openLocker(redis.url, newPrefix())];
  const key = newKey();
  await Promise.all([take(one, key), take(two, key)]);
  await Promise.all([one.close(), two.close()]);
});
