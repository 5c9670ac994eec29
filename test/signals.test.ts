import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, before, test } from "node:test";
import { LockStatus, type Job, type Locker } from "../src/index.js";
import { abortable, joinSignals } from "../src/signals.js";
import { newKey, newPrefix, openLocker, take, untilFree } from "./support/lockers.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";

const prefix = newPrefix();
let redis: RedisServer;
let locker: Locker;

before(async () => {
  redis = await startRedis();
  locker = openLocker(redis.url, prefix);
  process.on("warning", onWarning);
});

after(async () => {
  process.off("warning", onWarning);
  await locker.close();
  await redis[Symbol.asyncDispose]();
});

const warnings: string[] = [];
const onWarning = (warning: Error): void => void warnings.push(`${warning.name}: ${warning.message}`);

/** Node emits a warning in a later turn. */
async function seenWarnings(): Promise<string[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return warnings.splice(0);
}

test("a joined signal aborts with the reason of whichever source aborts first", () => {
  const sources = [new AbortController(), new AbortController()];
  const joined = joinSignals(sources.map(({ signal }) => signal));
  sources[1]?.abort(new Error("second"));
  sources[0]?.abort(new Error("first"));
  assert.match(String(joined.signal.reason), /second/);
});

test("a source has one listener for any number of joined signals, and none after the last was disposed of", () => {
  const source = new AbortController();
  const joined = Array.from({ length: 20 }, () => joinSignals([source.signal]));
  assert.equal(getEventListeners(source.signal, "abort").length, 1);
  const [kept] = joined;
  for (const each of joined.slice(1)) each.dispose();
  source.abort(new Error("over"));
  assert.deepEqual([...new Set(joined.map(({ signal }) => signal.aborted))].sort(), [false, true]);
  assert.equal(kept?.signal.aborted, true);

  const quiet = new AbortController();
  for (const each of Array.from({ length: 3 }, () => joinSignals([quiet.signal]))) each.dispose();
  assert.equal(getEventListeners(quiet.signal, "abort").length, 0);
});

test("whoever waits under a signal leaves no listener on it, however the wait ends", async () => {
  const { signal } = new AbortController();
  const waiting = [Promise.resolve(1), Promise.reject(new Error("no"))].map((promise) => abortable(promise, signal));
  assert.equal(getEventListeners(signal, "abort").length, 2);
  await Promise.allSettled(waiting);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a hundred acquires under one signal draw no warning and leave no listener on it", async () => {
  const { signal } = new AbortController();
  const acquiring = Array.from({ length: 100 }, () => locker.acquireAndRun(newKey(), () => undefined, { signal }));
  const statuses = (await Promise.all(acquiring)).map(({ status }) => status);
  assert.deepEqual([...new Set(statuses)], [LockStatus.SUCCESS]);
  assert.deepEqual(await seenWarnings(), []);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a hundred jobs that sleep in heartbeat.delay draw no warning", async () => {
  const job: Job<void> = (heartbeat) => heartbeat.delay(50); // waits: all of them at once
  await Promise.all(Array.from({ length: 100 }, () => locker.acquireAndRun(newKey(), job)));
  assert.deepEqual(await seenWarnings(), []);
});

test("a hundred releases while the store is gone draw no warning; the keys are free once it is back", async () => {
  const keys = Array.from({ length: 100 }, () => newKey());
  const leases = await Promise.all(keys.map((key) => take(locker, key)));
  await redis.kill();
  await Promise.all(leases.map((lease) => lease.release()));
  assert.deepEqual(await seenWarnings(), []);
  await redis.start();
  await Promise.all(keys.map((key) => untilFree(locker, key)));
});
