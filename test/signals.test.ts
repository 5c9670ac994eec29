import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, before, test } from "node:test";
import { LockStatus, type Job, type Locker } from "../src/index.js";
import { joinSignals } from "../src/signals.js";
import { newKey, newPrefix, openLocker, take, untilFree } from "./support/lockers.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";
import { withDeadline } from "./support/wait.js";

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

test("who waits under a joined signal hears whatever comes first, its reason or what is waited for", async () => {
  const source = new AbortController();
  const joined = joinSignals([source.signal]);
  const never = new Promise<never>(() => undefined);
  assert.equal(await joined.within(Promise.resolve(1)), 1);
  await assert.rejects(joined.within(Promise.reject(new Error("no"))), /no/);
  const waiting = [joined.within(never), joined.within(never)];
  source.abort(new Error("over"));
  for (const each of waiting) await assert.rejects(withDeadline(each, 5_000, "it is heard"), /Error: over/);
  await assert.rejects(joined.within(Promise.resolve(1)), /over/);
  assert.throws(() => joined.throwIfAborted(), /over/);
});

test("a joined signal that is looked at after its abort has the reason of it", () => {
  const source = new AbortController();
  const joined = joinSignals([source.signal]);
  joined.abort(new Error("own"));
  source.abort(new Error("later"));
  assert.deepEqual([joined.signal.aborted, String(joined.signal.reason)], [true, "Error: own"]);
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
