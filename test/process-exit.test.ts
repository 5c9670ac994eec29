import assert from "node:assert/strict";
import { test } from "node:test";
import type { Child } from "./support/child.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, spawnLocker, take } from "./support/lockers.js";
import { freePort } from "./support/ports.js";
import { withDeadline } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({});
const [bystander] = lockers;

/** Lets go of the child, and asserts that it then ends by itself, in good order and within a second. */
async function assertExits(child: Child, code = 0): Promise<void> {
  const startedMs = performance.now();
  child.disconnect();
  const exit = await withDeadline(child.exited, 10_000, `the exit of ${child.pid}\n${child.stderr}`);
  const tookMs = performance.now() - startedMs;
  assert.deepEqual(exit, { code, signal: null }, child.stderr);
  assert.equal(child.stderr, "");
  assert.ok(tookMs < 1_000, `the exit took ${tookMs} ms`);
}

test("a process exits by itself within a second of close()", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  const key = newKey();
  await child.request("acquire", key);
  await child.request("release", key);
  await child.request("close");
  await assertExits(child);
});

test("a process exits by itself after a drain that settled, without close()", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  await child.request("startJob", newKey(), "beating");
  assert.deepEqual(await child.request("drain"), { settled: true, left: [] });
  await assertExits(child);
});

test("a process with a locker that was never used exits by itself", async () => {
  await using child = await spawnLocker(redis.url, prefix, { drainOn: ["SIGTERM"] });
  await assertExits(child);
});

test("a process exits by itself after close() during the start of its worker", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  const acquiring = assert.rejects(child.request("acquire", newKey()), { name: "LockerClosedError" });
  await child.request("close");
  await acquiring;
  await assertExits(child);
});

test("a process exits by itself after close() while Redis is unreachable", async () => {
  await using child = await spawnLocker(`redis://127.0.0.1:${await freePort()}`, prefix);
  const acquiring = assert.rejects(child.request("acquire", newKey()), { name: "LockerClosedError" });
  await child.request("close");
  await acquiring;
  await assertExits(child);
});

test("a process exits by itself after an acquire that failed and close()", async () => {
  const options = { acquireTimeoutMs: 300 };
  await using child = await spawnLocker(`redis://127.0.0.1:${await freePort()}`, prefix, options);
  await assert.rejects(child.request("acquire", newKey()), { name: "StoreError", code: "unreachable" });
  await child.request("close");
  await assertExits(child);
});

test("a job that never ends does not keep a closed locker's process alive", async () => {
  await using child = await spawnLocker(redis.url, prefix, { closeTimeoutMs: 100 });
  await child.request("startJob", newKey(), "deaf");
  await child.request("close");
  await assertExits(child);
});

test("process.exit() in the middle of a job ends the process at once; a peer has its key within 2 s", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const waiting = take(bystander, key, { waitMs: 20_000 });
  const startedMs = performance.now();
  await child.request("exit", 3);
  assert.deepEqual(await withDeadline(child.exited, 1_000, "the exit"), { code: 3, signal: null });
  const lease = await waiting;
  const tookMs = performance.now() - startedMs;
  assert.ok(lease.fencingToken > token);
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
  await lease.release();
});

test("a killed process's key goes to a waiting peer within 2 s", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const waiting = take(bystander, key, { waitMs: 20_000 });
  const startedMs = performance.now();
  await child.kill("SIGKILL");
  const lease = await waiting;
  const tookMs = performance.now() - startedMs;
  assert.ok(lease.fencingToken > token);
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
  await lease.release();
});

test("an uncaught error of the application ends the process as it would without a locker", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  await child.request("startJob", newKey(), "beating");
  await child.request("throwUncaught", "the application's own");
  const exit = await withDeadline(child.exited, 2_000, "the exit");
  assert.deepEqual(exit, { code: 1, signal: null });
  assert.match(child.stderr, /Error: the application's own/);
});
