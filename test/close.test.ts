import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LockerClosedError, LockError, type Locker } from "../src/index.js";
import { newKey, newPrefix, openLocker, record, take } from "./support/lockers.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";
import { freePort } from "./support/ports.js";
import { startProxy } from "./support/tcp-proxy.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const prefix = newPrefix();
let redis: RedisServer;
let bystander: Locker;

before(async () => {
  redis = await startRedis();
  bystander = openLocker(redis.url, prefix);
  await bystander.acquireAndRun(newKey(), () => undefined);
});

after(async () => {
  await bystander.close();
  await redis[Symbol.asyncDispose]();
});

const isClosed = (error: unknown): boolean => error instanceof LockerClosedError;

/** close() may wait for jobs and for the worker; with nothing to wait for it is prompt. */
async function closePromptly(locker: Locker, withinMs = 1_000): Promise<void> {
  const startedMs = performance.now();
  await withDeadline(locker.close(), withinMs + 5_000, "close()");
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < withinMs, `close() took ${tookMs} ms`);
}

test("a closed locker leaves no connection and no record but the namespace's", async () => {
  const ownPrefix = newPrefix();
  const client = redis.client();
  const connections = async (): Promise<number> =>
    String(await client.client("LIST"))
      .split("\n")
      .filter((line) => line !== "").length;
  const before = await connections();
  const locker = openLocker(redis.url, ownPrefix);
  const lease = await take(locker, newKey());
  assert.equal(await connections(), before + 2);
  await lease.release();
  await locker.close();
  await waitUntil(connections, before, { deadlineMs: 2_000, what: "the connections" });
  assert.deepEqual(await client.keys(`${ownPrefix}*`), [`${ownPrefix}n`]);
});

test("close() ends a wait for a holder at once, with LockerClosedError", async () => {
  const key = newKey();
  await using lease = await take(bystander, key);
  const locker = openLocker(redis.url, prefix);
  using busy = record("busy");
  const waiting = assert.rejects(
    locker.mutex(key, () => assert.fail("the job ran")),
    isClosed,
  );
  await waitUntil(() => busy.events.length > 0, true, { deadlineMs: 5_000, what: "a refusal" });
  await closePromptly(locker);
  await waiting;
  assert.equal(lease.state, "held");
});

test("close() at any moment of the first acquire, also while the worker starts, leaves nothing held", async () => {
  const outcomes = Array.from({ length: 16 }, async (_unused, i) => {
    const locker = openLocker(redis.url, prefix);
    const key = newKey();
    const acquiring = locker.acquireAndRun(key, () => undefined).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, i * 20)); // waits: to close at another moment each time
    await closePromptly(locker, 2_000);
    const outcome = await withDeadline(acquiring, 100, "the acquire's end");
    if (outcome instanceof Error) assert.ok(isClosed(outcome), String(outcome));
    assert.equal(await bystander.readHolder(key), undefined);
    return outcome instanceof Error ? "closed" : "ran";
  });
  assert.ok((await Promise.all(outcomes)).includes("closed"));
});

test("close() in the same turn as the acquire is prompt", async () => {
  const locker = openLocker(redis.url, prefix);
  const acquiring = assert.rejects(locker.acquire(newKey()), isClosed);
  await closePromptly(locker);
  await acquiring;
});

test("close() while Redis refuses connections is prompt, and the acquire under way ends with it", async () => {
  using store = record("store");
  const locker = openLocker(`redis://127.0.0.1:${await freePort()}`, prefix);
  const acquiring = assert.rejects(locker.acquire(newKey()), isClosed);
  await waitUntil(() => store.events.length > 0, true, { deadlineMs: 5_000, what: "a failure of the store" });
  await closePromptly(locker);
  await acquiring;
});

test("close() while Redis accepts connections and says nothing is prompt", async () => {
  await using proxy = await startProxy(redis.port);
  proxy.blackhole();
  const locker = openLocker(proxy.url, prefix);
  const acquiring = assert.rejects(locker.acquire(newKey()), isClosed);
  await waitUntil(() => proxy.connections, 2, { deadlineMs: 5_000, what: "the connections" });
  await closePromptly(locker);
  await acquiring;
});

test("close() leaves the event loop idle while a grant of the very last moment is given back", async () => {
  await using server = await startRedis();
  await using locker = openLocker(server.url, prefix, { closeTimeoutMs: 300 });
  await locker.acquireAndRun(newKey(), () => undefined);
  using granted = record("granted");
  let closing: Promise<void> | undefined;
  let before = performance.eventLoopUtilization();
  const onGranted = (): void => {
    process.kill(server.pid!, "SIGSTOP"); // the release will not be answered
    before = performance.eventLoopUtilization();
    closing = locker.close();
  };
  Object.defineProperty(granted.events, "push", { value: onGranted });
  await assert.rejects(locker.acquire(newKey()), isClosed);
  const { utilization } = performance.eventLoopUtilization(before);
  assert.ok(utilization < 0.5, `busy for ${utilization} of the time`);
  await closing;
});

test("close() while the store is silent takes at most closeTimeoutMs twice, a release being unanswered", async () => {
  await using proxy = await startProxy(redis.port);
  const locker = openLocker(proxy.url, prefix, { closeTimeoutMs: 400 });
  const lease = await take(locker, newKey());
  proxy.blackhole();
  const released = lease.release();
  await closePromptly(locker, 1_000);
  await released;
  const next = await take(bystander, lease.key, { waitMs: 10_000 }); // found silent, for it said no goodbye
  await next.release();
});

test("close() ends the leases of jobs that still run, which learn it from their signal", async () => {
  const locker = openLocker(redis.url, prefix);
  const running = locker.acquireAndRun(newKey(), async (heartbeat, { signal, key }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    assert.equal((await bystander.readHolder(key))?.key, key, "the key is free before its job has ended");
    await assert.rejects(heartbeat(), (error) => error instanceof LockError && error.code === "closed");
    return "tidied up";
  });
  await locker.acquireAndRun(newKey(), () => undefined);
  await closePromptly(locker);
  const outcome = await running;
  assert.ok("result" in outcome);
  assert.deepEqual([outcome.result, outcome.heldToTheEnd], ["tidied up", false]);
});

test("a job that ignores close() keeps its key until its process is found silent", async () => {
  const locker = openLocker(redis.url, prefix, { closeTimeoutMs: 100 });
  const lease = await take(locker, newKey());
  await closePromptly(locker, 800);
  assert.equal(lease.state, "lost");
  assert.equal((await bystander.readHolder(lease.key))?.fencingToken, lease.fencingToken);
  const next = await take(bystander, lease.key, { waitMs: 10_000 });
  assert.ok(next.fencingToken > lease.fencingToken);
  await next.release();
});

test("close() may be called twice, before use, and after a drain; a closed locker acquires nothing", async () => {
  const unused = openLocker(redis.url, prefix);
  await unused.close();
  await assert.rejects(unused.acquire(newKey()), isClosed);
  await assert.rejects(unused.readHolder(newKey()), isClosed);

  const locker = openLocker(redis.url, prefix);
  await locker.acquireAndRun(newKey(), () => undefined);
  await locker.drain();
  await Promise.all([locker.close(), locker.close()]);
  await locker.close();
  assert.deepEqual(await locker.drain(), { settled: true, left: [] });
});

test("await using closes the locker at the end of the block", async () => {
  let used: Locker;
  {
    await using locker = openLocker(redis.url, prefix);
    used = locker;
    await locker.acquireAndRun(newKey(), () => undefined);
  }
  await assert.rejects(used.acquire(newKey()), isClosed);
});
