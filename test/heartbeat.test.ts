import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { DrainingSignal, LockError, LockUnsureError, type Lease, type Locker } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { condemnAndTake, findBusy, newKey, openLocker, take } from "./support/lockers.js";
import { countCommands } from "./support/monitor.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

async function lose(lease: Lease): Promise<void> {
  const thief = await take(other, newKey("thief"));
  await condemnAndTake(redis.client(), prefix, lease.key, thief.key);
}

const isTakenOver = (error: unknown): boolean => error instanceof LockError && error.code === "taken-over";
const never = (): Promise<never> => new Promise(() => undefined);

test("a million heartbeats cost the store nothing", async () => {
  await using lease = await take(locker, newKey());
  const { commands } = await countCommands(redis.url, async () => {
    for (let i = 0; i < 1_000_000; i++) await lease.heartbeat();
  });
  const ofTheLease = commands.filter(({ text }) => text.includes(lease.key));
  assert.deepEqual(ofTheLease, []);
});

test("heartbeat.delay sleeps as long as it was told to", async () => {
  await using lease = await take(locker, newKey());
  const startedMs = performance.now();
  await lease.heartbeat.delay(700); // waits: it is to sleep
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 699 && tookMs < 1_500, `took ${tookMs} ms`);
});

test("heartbeat.delay keeps a lease beyond its lock TTL", async () => {
  await using lease = await take(locker, newKey(), { lockTtlMs: 2_000 });
  await lease.heartbeat.delay(3_000); // waits: for longer than the lock TTL
  lease.assertHeld();
  assert.equal((await findBusy(other, lease.key)).holder.fencingToken, lease.fencingToken);
});

test("heartbeat.delay ends as soon as the lease is lost", async () => {
  await using lease = await take(locker, newKey());
  const sleeping = lease.heartbeat.delay(60_000); // waits: until lost
  await lose(lease);
  await assert.rejects(withDeadline(sleeping, 5_000, "the sleeper's end"), isTakenOver);
});

test("heartbeat.delay ends at once when the locker drains", async () => {
  await using drained = openLocker(redis.url, prefix);
  const running = drained.acquireAndRun(newKey(), (heartbeat) => heartbeat.delay(60_000)); // waits: until drained
  const { settled } = await drainOnceRunning(drained, running);
  assert.equal(settled, true);
  await assert.rejects(running, (error) => error instanceof DrainingSignal && error.reason === "test");
});

test("heartbeat.delay of 0 ms still asks whether the lease is held", async () => {
  await using lease = await take(locker, newKey());
  await lease.heartbeat.delay(0); // waits: not at all
  await lose(lease);
  await waitUntil(() => lease.state, "lost", { deadlineMs: 5_000, what: "the lease's state" });
  await assert.rejects(lease.heartbeat.delay(0), isTakenOver); // waits: not at all
});

test("heartbeat.during passes the outcome on, a value or an error", async () => {
  await using lease = await take(locker, newKey());
  assert.equal(await lease.heartbeat.during(Promise.resolve(17)), 17);
  const thrown = new Error("the copy failed");
  await assert.rejects(lease.heartbeat.during(Promise.reject(thrown)), (error) => error === thrown);
  // Like a promise, but none of ours.
  const foreign = runInNewContext("Promise.resolve('like a promise')") as Promise<string>;
  assert.equal(await lease.heartbeat.during(foreign), "like a promise");
});

test("heartbeat.during keeps a lease beyond its lock TTL", async () => {
  await using lease = await take(locker, newKey(), { lockTtlMs: 2_000 });
  const long = new Promise((resolve) => setTimeout(resolve, 3_000)); // waits: for longer than the lock TTL
  await lease.heartbeat.during(long);
  lease.assertHeld();
});

test("heartbeat.during rejects as soon as the lease is lost, and a later failure is nobody's error", async () => {
  await using lease = await take(locker, newKey());
  let fail = (_error: Error): void => undefined;
  const during = lease.heartbeat.during(new Promise((_resolve, reject) => (fail = reject)));
  await lose(lease);
  await assert.rejects(withDeadline(during, 5_000, "the end of during"), isTakenOver);
  fail(new Error("an unhandled rejection would fail this file"));
  await new Promise((resolve) => setImmediate(resolve));
});

test("heartbeat.during of a lost lease rejects though the job never ends", async () => {
  await using lease = await take(locker, newKey());
  await lose(lease);
  await waitUntil(() => lease.state, "lost", { deadlineMs: 5_000, what: "the lease's state" });
  await assert.rejects(withDeadline(lease.heartbeat.during(never()), 1_000, "the end of during"), isTakenOver);
});

test("a drain does not interrupt heartbeat.during", async () => {
  await using drained = openLocker(redis.url, prefix);
  let finish = (_result: string): void => undefined;
  const long = new Promise<string>((resolve) => (finish = resolve));
  const running = drained.acquireAndRun(newKey(), (heartbeat) => heartbeat.during(long));
  const draining = drainOnceRunning(drained, running);
  await new Promise((resolve) => setImmediate(resolve));
  finish("copied");
  const outcome = await running;
  assert.ok("result" in outcome);
  assert.deepEqual([outcome.result, outcome.heldToTheEnd], ["copied", true]);
  assert.equal((await draining).settled, true);
});

test("a drain that runs out of patience aborts the signal; heartbeat.during lets the held job end", async () => {
  await using drained = openLocker(redis.url, prefix, { drainTimeoutMs: 100 });
  const running = drained.acquireAndRun(newKey(), (heartbeat, { signal }) =>
    heartbeat.during(new Promise<string>((resolve) => signal.addEventListener("abort", () => resolve("tidied up")))),
  );
  assert.deepEqual(await drainOnceRunning(drained, running), { settled: true, left: [] });
  const outcome = await running;
  assert.equal("result" in outcome && outcome.result, "tidied up");
});

test("release gives the key back once, and a second call does nothing", async () => {
  const lease = await take(locker, newKey());
  await Promise.all([lease.release(), lease.release()]);
  await using next = await take(other, lease.key);
  await lease.release();
  assert.equal((await other.readHolder(lease.key))?.fencingToken, next.fencingToken);
});

test("a lease that was given back is never reported as held", async () => {
  const lease = await take(locker, newKey());
  await lease.release();
  assert.notEqual(lease.state, "held");
  assert.throws(() => lease.assertHeld(), LockUnsureError);
  await assert.rejects(lease.heartbeat(), LockUnsureError);
});

test("await using gives the key back at the end of the block, also when the block throws", async () => {
  const key = newKey();
  const block = async (): Promise<void> => {
    await using lease = await take(locker, key);
    throw new Error(`in the block of ${lease.key}`);
  };
  await assert.rejects(block(), /in the block/);
  assert.equal(await other.readHolder(key), undefined);
});

/** Drains once the job runs. */
async function drainOnceRunning(drained: Locker, running: Promise<unknown>): ReturnType<Locker["drain"]> {
  running.catch(() => undefined);
  await drained.acquireAndRun(newKey(), () => undefined); // a later acquire of the same locker: the first was granted
  return drained.drain("test");
}
