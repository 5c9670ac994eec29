import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError, type Lease } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, openLocker, take, untilFree } from "./support/lockers.js";
import { startRedis } from "./support/redis-server.js";
import { assertRefused } from "./support/refusals.js";
import { startProxy } from "./support/tcp-proxy.js";
import { withDeadline } from "./support/wait.js";

const store = await lockersForFile({}, {});
const [locker, other] = store.lockers;

test("a grace that is negative or no whole number is refused, and other bad options, nothing written", async () => {
  await using lease = await take(other, newKey());
  const cases: [string, object, RegExp][] = [
    ...[-1, 0.5, NaN, Infinity, "5", null].map((graceMs): [string, object, RegExp] => {
      return [lease.key, { graceMs }, /^graceMs \(.*\) must be a whole number of ms from 0 to 2147483647$/];
    }),
    [lease.key, { force: "yes" }, /^force \("yes"\) must be true or false$/],
    [lease.key, { grace: 1 }, /^grace \(1\) is not an option$/],
    [lease.key, { signal: 1 }, /^signal \(1\) must be an AbortSignal$/],
    ["", {}, /^key \(""\) must be a non-empty string$/],
  ];
  for (const [key, options, message] of cases) await assertRefused(store, message, [() => locker.revoke(key, options)]);
  lease.assertHeld();
});

test("revoking a key that nobody holds says so", async () => {
  assert.deepEqual(await locker.revoke(newKey()), { status: "free" });
});

test("a lease of an older era, brought back by old data, is neither shown nor waited for", async () => {
  const lease = await take(other, newKey());
  const raw = await store.redis.client().get(`${store.prefix}l:${lease.key}`);
  await lease.release();
  const words = raw!.split(" ");
  await store.redis.client().set(`${store.prefix}l:${lease.key}`, words.with(6, "older").join(" "), "PX", 60_000);
  assert.equal(await locker.readHolder(lease.key), undefined);
  assert.deepEqual(await locker.revoke(lease.key, { graceMs: 60_000, force: true }), { status: "free" });
  await store.redis.client().set(`${store.prefix}l:${lease.key}`, raw!, "PX", 60_000); // of this era it is a lease
  assert.equal((await locker.readHolder(lease.key))?.key, lease.key);
  await store.redis.client().del(`${store.prefix}l:${lease.key}`);
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

const together = { readers: { mode: "shared" }, "users of permits": { permits: { limit: 30 } } } as const;
for (const [who, options] of Object.entries(together)) {
  test(`all of many ${who} are asked, and the key is released when all of those have given it back`, async () => {
    const key = newKey();
    const leases: Lease[] = [];
    for (let i = 0; i < 12; i++) leases.push(await take(other, key, options));
    leases.push(await take(locker, key, options));
    const last = leases.pop()!;
    const revoking = locker.revoke(key, { graceMs: 20_000 });
    for (const { signal } of [...leases, last]) if (!signal.aborted) await once(signal, "abort");
    for (const lease of leases) await lease.release();
    let isOver = false;
    void revoking.then(() => (isOver = true));
    const late = "mode" in options ? await take(other, key, options) : undefined; // is none of its business
    await locker.readHolder(key);
    assert.equal(isOver, false, "one still holds it");
    await last.release();
    assert.deepEqual(await revoking, { status: "released" });
    assert.ok(!late || late.state === "held");
    await late?.release();
  });

  test(`by force all of many ${who} lose their leases`, async () => {
    const key = newKey();
    const leases: Lease[] = [];
    for (let i = 0; i < 12; i++) leases.push(await take(other, key, options));
    assert.deepEqual(await locker.revoke(key, { graceMs: 0, force: true }), { status: "forced" });
    assert.equal(await locker.readHolder(key), undefined);
    for (const lease of leases) await assert.rejects(lease.heartbeat(), { code: "revoked" });
    for (const lease of leases) await lease.release();
  });
}

test("a revocation that is aborted ends with the signal's reason, and leaves the key to its holder", async () => {
  const key = newKey();
  const lease = await take(other, key);
  const stop = new AbortController();
  const revoking = locker.revoke(key, { graceMs: 60_000, signal: stop.signal });
  await once(lease.signal, "abort");
  stop.abort(new Error("enough"));
  await assert.rejects(revoking, /^Error: enough$/);
  await assert.rejects(locker.revoke(key, { signal: stop.signal }), /^Error: enough$/);
  assert.ok(await locker.readHolder(key));
  await lease.release();
});

test("a holder whose connection is away when it is asked is asked again", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  await using one = openLocker(proxy.url, store.prefix);
  await using two = openLocker(server.url, store.prefix);
  const lease = await take(one, "key");
  await take(two, "other");
  proxy.refuse();
  proxy.cut();
  const revoking = two.revoke("key", { graceMs: 30_000 });
  await sleep(200); // waits: the first asking finds nobody who listens
  await proxy.accept();
  await withDeadline(once(lease.signal, "abort"), 20_000, "the second asking");
  assert.equal((lease.signal.reason as { code: string }).code, "revoked");
  await lease.release();
  assert.deepEqual(await revoking, { status: "released" });
});

test("a revocation waits for a store that is away as long as an acquire does", async () => {
  await using server = await startRedis();
  await using one = openLocker(server.url, store.prefix);
  await using two = openLocker(server.url, store.prefix, { acquireTimeoutMs: 3_000 });
  const lease = await take(one, "key");
  await take(two, "other");
  const revoking = two.revoke("key", { graceMs: 60_000 });
  await once(lease.signal, "abort");
  await server.freeze();
  const startedMs = performance.now();
  await assert.rejects(withDeadline(revoking, 10_000, "the revocation"), (error: Error) => {
    assert.match(error.message, /^"key" was not revoked, for the store gave no answer within 3000 ms/);
    return error instanceof StoreError && error.code === "unreachable";
  });
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 2_500 && tookMs < 6_000, `took ${tookMs} ms`);
  await assert.rejects(two.revoke("key"), { name: "StoreError", code: "unreachable" }, "also at its begin");
  server.thaw();
});
