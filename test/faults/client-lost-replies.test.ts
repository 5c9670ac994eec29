// Requests that were executed though their reply never came, and requests of dead sockets that arrive late.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { LockStatus, type Lease, type Locker } from "../../src/index.js";
import { newKey, newPrefix, openLocker, record, take, untilFree } from "../support/lockers.js";
import { countCommands } from "../support/monitor.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";

const prefix = newPrefix();
let redis: RedisServer;
let proxy: TcpProxy;
let locker: Locker;
let bystander: Locker;

before(async () => {
  redis = await startRedis();
  proxy = await startProxy(redis.port);
  locker = openLocker(proxy.url, prefix, { disconnectGraceMs: 700 });
  bystander = openLocker(redis.url, prefix);
  // Every script is known to the server from here on, so each request is one command.
  const lease = await take(locker, newKey());
  await bystander.acquire(lease.key);
  await lease.release();
});

beforeEach(async () => {
  proxy.heal();
  await locker.acquireAndRun(newKey(), () => undefined); // trusted now, so that it sends what it is asked for
});

after(async () => {
  proxy.heal();
  await Promise.all([locker.close(), bystander.close()]);
  await proxy[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** So long that its request can be told from any other by its size. */
const longKey = (): string => newKey("k".repeat(900));

/** Resolves once the proxy keeps back the request that names a long key. */
const untilHeld = (): Promise<unknown> =>
  waitUntil(() => proxy.heldBytes.up > 900, true, { deadlineMs: 5_000, what: "the request in the proxy" });

const exists = (key: string): Promise<number> => redis.client().exists(`${prefix}l:${key}`);

async function storeUs(): Promise<number> {
  const [seconds, microseconds] = await redis.client().time();
  return Number(seconds) * 1e6 + Number(microseconds);
}

test("an acquire whose reply was lost is asked again under the same lease, and granted once", async () => {
  const key = newKey();
  using granted = record("granted");
  let lease: Lease | undefined;
  let executedUs = 0;
  const { commands } = await countCommands(redis.url, async () => {
    const cut = proxy.cutAfterRequest((bytes) => bytes.includes(key));
    const taking = take(locker, key);
    await cut;
    assert.equal(await exists(key), 1, "the lost request was executed");
    executedUs = await storeUs();
    lease = await taking;
  });
  assert.ok(lease);
  assert.ok(lease.fencingToken <= executedUs, "the token is that of the first execution");
  const requests = commands.filter(({ name, text }) => name.startsWith("eval") && text.includes(`l:${key}"`));
  assert.equal(requests.length, 2);
  assert.equal(granted.events.filter((event) => event.key === key).length, 1);
  await lease.heartbeat();
  await lease.release();
  assert.equal(await exists(key), 0);
});

test("a release whose reply was lost is asked again, and the job was held to the end", async () => {
  const key = newKey();
  let cut: Promise<void> = Promise.resolve();
  const outcome = await locker.acquireAndRun(key, () => {
    cut = proxy.cutAfterRequest((bytes) => bytes.includes(key));
  });
  await cut;
  assert.deepEqual(outcome, { status: LockStatus.SUCCESS, result: undefined, heldToTheEnd: true });
  assert.equal(await exists(key), 0);
});

test("a renewal whose reply was lost is asked again, and the lease lives on", async () => {
  const lease = await take(locker, newKey(), { lockTtlMs: 2_000 });
  const cut = proxy.cutAfterRequest((bytes) => bytes.includes(lease.key));
  await lease.heartbeat.delay(2_500); // waits: for longer than the lock TTL
  await cut;
  await lease.heartbeat();
  assert.equal(await exists(lease.key), 1);
  await lease.release();
});

test("a reply that ends after any number of bytes is no answer", async () => {
  for (let bytes = 1; bytes < 60; bytes += 7) {
    const cut = proxy.cutAfterReplyBytes(bytes);
    const key = newKey();
    const outcome = await locker.acquireAndRun(key, async (heartbeat) => {
      await cut; // whichever connection it was: a ping's, if not the acquire's
      await heartbeat();
    });
    assert.deepEqual(outcome, { status: LockStatus.SUCCESS, result: undefined, heldToTheEnd: true });
    assert.equal(await exists(key), 0);
  }
});

test("an acquire given up by its caller that arrives late from a dead socket wins nothing", async () => {
  const key = longKey();
  const stop = new AbortController();
  proxy.hold({ up: true });
  const acquiring = assert.rejects(locker.acquire(key, { signal: stop.signal }), /given up/);
  await untilHeld();
  stop.abort(new Error("given up"));
  await acquiring;
  proxy.detach();
  proxy.heal();
  // The locker is back on a new connection, which has been heard: it took its request back over it.
  await locker.acquireAndRun(newKey(), () => undefined);
  await proxy.deliverDetached();
  assert.equal(await exists(key), 0);
});

test("an acquire given up by its caller that arrives before it could be taken back is given back", async () => {
  const key = longKey();
  const stop = new AbortController();
  proxy.hold({ up: true });
  const acquiring = assert.rejects(locker.acquire(key, { signal: stop.signal }), /given up/);
  await untilHeld();
  stop.abort(new Error("given up"));
  await acquiring;
  proxy.detach();
  await proxy.deliverDetached();
  assert.equal(await exists(key), 1, "the dead socket's request was executed");
  proxy.heal();
  await untilFree(bystander, key);
});

test("an acquire that timed out while its bytes were on the way leaves nothing held once they arrive", async () => {
  const key = longKey();
  await using impatient = openLocker(proxy.url, prefix, { acquireTimeoutMs: 1_500 });
  await impatient.acquireAndRun(newKey(), () => undefined);
  proxy.hold({ up: true });
  await assert.rejects(impatient.acquire(key), { name: "StoreError", code: "unreachable" });
  proxy.heal();
  await impatient.acquireAndRun(newKey(), () => undefined);
  await waitUntil(() => proxy.heldBytes, { up: 0, down: 0 }, { deadlineMs: 5_000, what: "the bytes in the proxy" });
  await untilFree(bystander, key);
});

test("an acquire asked again and released is not granted once more by its first copy", async () => {
  const key = longKey();
  proxy.hold({ up: true });
  const taking = take(locker, key);
  await untilHeld();
  proxy.detach();
  proxy.heal();
  const lease = await taking;
  await lease.release();
  await proxy.deliverDetached();
  assert.equal(await exists(key), 0);
});

test("a late copy of an acquire changes nothing for the next holder", async () => {
  const key = longKey();
  proxy.hold({ up: true });
  const taking = take(locker, key);
  await untilHeld();
  proxy.detach();
  proxy.heal();
  await (await taking).release();
  const next = await take(bystander, key);
  await proxy.deliverDetached();
  await next.heartbeat();
  assert.equal((await bystander.readHolder(key))?.fencingToken, next.fencingToken);
  await next.release();
});

test("a release that arrives late from a dead socket does not end the same locker's next lease", async () => {
  const key = longKey();
  const first = await take(locker, key);
  proxy.hold({ up: true });
  const releasing = first.release();
  await untilHeld();
  proxy.detach();
  proxy.heal();
  await releasing;
  const second = await take(locker, key);
  await proxy.deliverDetached();
  assert.equal((await bystander.readHolder(key))?.fencingToken, second.fencingToken);
  await second.heartbeat();
  await second.release();
});

test("an acquire of a closed locker that arrives late wins nothing: its session is gone", async () => {
  const key = longKey();
  await using closing = openLocker(proxy.url, prefix, { closeTimeoutMs: 300 });
  await closing.acquireAndRun(newKey(), () => undefined);
  proxy.hold({ up: true });
  const acquiring = assert.rejects(closing.acquire(key), { name: "LockerClosedError" });
  await untilHeld();
  proxy.detach();
  proxy.heal();
  await closing.close();
  await acquiring;
  await proxy.deliverDetached();
  assert.equal(await exists(key), 0);
});
