// seppuku "kill": a process whose job runs on without its lease is ended from its worker thread.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Lease, Locker, LockerOptions } from "../../src/index.js";
import type { Child } from "../support/child.js";
import { condemnAndTake, fastLimits, newKey, newPrefix, openLocker, spawnLocker, take } from "../support/lockers.js";
import { sharedRedis, type SharedRedis } from "../support/redis-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const prefix = newPrefix();
const kill = { seppuku: "kill", killAfterMs: 600 } as const;
let redis: SharedRedis;
let bystander: Locker;
let thief: Lease;

before(async () => {
  redis = await sharedRedis();
  bystander = openLocker(redis.url, prefix);
  thief = await take(bystander, newKey("thief"));
});

after(async () => {
  await bystander.close();
  await redis[Symbol.asyncDispose]();
});

const lose = (key: string): Promise<number> => condemnAndTake(redis.client(), prefix, key, thief.key);

/** A process that runs one job of each kind. */
async function spawnWithJobs(
  kinds: string[],
  options: Partial<LockerOptions>,
): Promise<{ child: Child; keys: string[] }> {
  const child = await spawnLocker(redis.url, prefix, options);
  const keys = kinds.map((kind) => newKey(kind));
  await Promise.all(keys.map((key, i) => child.request("startJob", key, kinds[i])));
  return { child, keys };
}

const untilLost = (child: Child, key = ""): Promise<unknown> =>
  waitUntil(() => child.request("state", key), "lost", { deadlineMs: 5_000, what: `the state of ${key}` });

test("a process is killed when a job runs on without its lease for killAfterMs, with a line that says so", async () => {
  const { child, keys } = await spawnWithJobs(["deaf", "beating", "beating"], kill);
  await using _child = child;
  const startedMs = performance.now();
  await lose(keys[0] ?? "");
  const exit = await withDeadline(child.exited, 5_000, "the kill");
  const tookMs = performance.now() - startedMs;
  assert.deepEqual(exit, { code: null, signal: "SIGKILL" });
  const what = "a job ran on for 600 ms without its lease";
  assert.equal(child.stderr, `pulselock: ${what}; killing process ${child.pid} (2 other jobs die with it)\n`);
  assert.ok(tookMs >= 500 && tookMs < 2_500, `took ${tookMs} ms`);
});

test("the line counts one other job as one job", async () => {
  const { child, keys } = await spawnWithJobs(["deaf", "beating"], kill);
  await using _child = child;
  await lose(keys[0] ?? "");
  await withDeadline(child.exited, 5_000, "the kill");
  assert.match(child.stderr, /\(1 other job dies with it\)/);
});

test("a process is killed also when its main thread is stuck in a loop and cannot even learn of the loss", async () => {
  const { child, keys } = await spawnWithJobs(["deaf"], kill);
  await using _child = child;
  await child.request("block", 60_000);
  const startedMs = performance.now();
  await lose(keys[0] ?? "");
  assert.deepEqual(await withDeadline(child.exited, 5_000, "the kill"), { code: null, signal: "SIGKILL" });
  assert.ok(performance.now() - startedMs >= 500);
  assert.match(child.stderr, /\(0 other jobs die with it\)/);
});

test("a process is killed also when the worker was replaced after the loss", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pulselock-kill-"));
  const file = join(folder, "act");
  const env = { MISBEHAVE_FILE: file, FIXTURE_URL: redis.url, FIXTURE_PREFIX: prefix };
  const moduleName = new URL("../support/fixtures/misbehaving-database.js", import.meta.url).href;
  await using child = await spawnLocker(redis.url, prefix, {}, { env });
  await child.request("openModule", { database: { moduleName, exportName: "database" }, ...fastLimits, ...kill });
  const key = newKey("deaf");
  await child.request("startJob", key, "deaf");
  await lose(key);
  await untilLost(child, key);
  await writeFile(file, "exit");
  assert.deepEqual(await withDeadline(child.exited, 5_000, "the kill"), { code: null, signal: "SIGKILL" });
  await rm(folder, { recursive: true });
});

test("a process lives on when the job settles in time", async () => {
  const { child, keys } = await spawnWithJobs(["listening", "beating"], kill);
  await using _child = child;
  await lose(keys[0] ?? "");
  await untilLost(child, keys[0]);
  await new Promise((resolve) => setTimeout(resolve, 2 * kill.killAfterMs)); // waits: for the kill that must not come
  assert.equal(await child.request("job", keys[0]), "returned");
  assert.equal(await child.request("job", keys[1]), "runs");
});

test("a process lives on when its condemned session's lease could be kept", async () => {
  const { child, keys } = await spawnWithJobs(["deaf"], kill);
  await using _child = child;
  const [key = ""] = keys;
  const before = await bystander.readHolder(key);
  await redis.client().hset(`${prefix}s:${before?.sessionId}`, "dead", String(Date.now()));
  const isOther = async (): Promise<boolean> => {
    const sessionId = (await bystander.readHolder(key))?.sessionId;
    return sessionId !== undefined && sessionId !== before?.sessionId;
  };
  await waitUntil(isOther, true, { deadlineMs: 5_000, what: "the lease under the next session" });
  await new Promise((resolve) => setTimeout(resolve, 2 * kill.killAfterMs)); // waits: for the kill that must not come
  assert.equal(await child.request("state", key), "held");
});

test("a process whose main thread was blocked through a harmless change lives on", async () => {
  const { child, keys } = await spawnWithJobs(["deaf"], { ...kill, killAfterMs: 2_000 });
  await using _child = child;
  const [key = ""] = keys;
  const before = await bystander.readHolder(key);
  await child.request("block", 1_000);
  await redis.client().hset(`${prefix}s:${before?.sessionId}`, "dead", String(Date.now()));
  await waitUntil(() => child.request("state", key), "held", { deadlineMs: 5_000, what: `the state of ${key}` });
  await new Promise((resolve) => setTimeout(resolve, 2_500)); // waits: for the kill that must not come
  assert.equal(await child.request("job", key), "runs");
});

test("time for which the whole process was stopped does not count", async () => {
  const { child, keys } = await spawnWithJobs(["deaf"], { ...kill, killAfterMs: 1_500 });
  await using _child = child;
  const startedMs = performance.now();
  await lose(keys[0] ?? "");
  await untilLost(child, keys[0]);
  await child.kill("SIGSTOP");
  const ranMs = performance.now() - startedMs;
  await new Promise((resolve) => setTimeout(resolve, 2_500)); // waits: stopped for longer than killAfterMs
  const goesOnMs = performance.now();
  await child.kill("SIGCONT");
  assert.equal(await child.request("job", keys[0]), "runs");
  assert.deepEqual(await withDeadline(child.exited, 5_000, "the kill"), { code: null, signal: "SIGKILL" });
  const leftMs = performance.now() - goesOnMs;
  // The tick under way when it stopped may count, at most 200 ms; so may the one before that.
  assert.ok(leftMs >= 1_500 - ranMs - 400, `killed ${leftMs} ms after it went on, ${ranMs} ms after the loss before`);
});

test("without seppuku a process lives on, whatever its job does", async () => {
  const { child, keys } = await spawnWithJobs(["deaf"], { killAfterMs: 100 });
  await using _child = child;
  await lose(keys[0] ?? "");
  await untilLost(child, keys[0]);
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // waits: for the kill that must not come
  assert.equal(await child.request("job", keys[0]), "runs");
});
