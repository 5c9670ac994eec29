import assert from "node:assert/strict";
import { test } from "node:test";
import { DrainingSignal, type Locker } from "../src/index.js";
import type { JobState } from "./support/fixtures/locker-process.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, openLocker, record, spawnLocker, take } from "./support/lockers.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({});
const [bystander] = lockers;

const isDraining = (reason: string) => (error: unknown) => error instanceof DrainingSignal && error.reason === reason;

/** Starts a job and resolves once it runs. */
async function start(locker: Locker, job: Parameters<Locker["acquireAndRun"]>[1], key = newKey()) {
  let ended: Promise<unknown> = Promise.resolve();
  await new Promise<void>((started, failed) => {
    ended = locker.acquireAndRun(key, (heartbeat, lease) => {
      started();
      return job(heartbeat, lease);
    });
    ended.catch(failed);
  });
  return { key, ended };
}

test("a drain with nothing running settles at once, and refuses further acquires", async () => {
  await using locker = openLocker(redis.url, prefix);
  await locker.acquireAndRun(newKey(), () => undefined);
  assert.deepEqual(await withDeadline(locker.drain("deploy"), 2_000, "the drain"), { settled: true, left: [] });
  await assert.rejects(locker.acquire(newKey()), isDraining("deploy"));
  await assert.rejects(
    locker.mutex(newKey(), () => assert.fail("it ran")),
    isDraining("deploy"),
  );
});

test("a locker that was never used drains without opening anything", async () => {
  await using locker = openLocker("redis://127.0.0.1:1", prefix);
  assert.deepEqual(await locker.drain(), { settled: true, left: [] });
  await assert.rejects(locker.acquire(newKey()), isDraining("drain"));
});

test("a drain ends waits for holders with DrainingSignal", async () => {
  await using lease = await take(bystander, newKey());
  await using locker = openLocker(redis.url, prefix);
  using busy = record("busy");
  const waiting = assert.rejects(
    locker.mutex(lease.key, () => assert.fail("the job ran")),
    isDraining("deploy"),
  );
  await waitUntil(() => busy.events.length > 0, true, { deadlineMs: 5_000, what: "a refusal" });
  assert.equal((await locker.drain("deploy")).settled, true);
  await waiting;
});

test("a drain during the first acquire, while the worker starts, ends it and settles", async () => {
  await using locker = openLocker(redis.url, prefix);
  const key = newKey();
  const acquiring = assert.rejects(locker.acquire(key), isDraining("deploy"));
  assert.deepEqual(await withDeadline(locker.drain("deploy"), 2_000, "the drain"), { settled: true, left: [] });
  await acquiring;
  assert.equal(await bystander.readHolder(key), undefined);
});

test("a job learns of a drain at its next heartbeat, and may still finish its work under the lease", async () => {
  await using locker = openLocker(redis.url, prefix);
  const { key, ended } = await start(locker, async (heartbeat) => {
    await assert.rejects(heartbeat.delay(60_000), isDraining("deploy")); // waits: until drained
    assert.equal((await bystander.readHolder(key))?.key, key);
    return "checkpoint written";
  });
  assert.deepEqual(await locker.drain("deploy"), { settled: true, left: [] });
  const outcome = await ended;
  assert.deepEqual(outcome, { status: "SUCCESS", result: "checkpoint written", heldToTheEnd: true });
});

test("a second drain joins the first", async () => {
  await using locker = openLocker(redis.url, prefix);
  const { ended } = await start(locker, (heartbeat) => heartbeat.delay(60_000)); // waits: until drained
  const [first, second] = await Promise.all([locker.drain("one"), locker.drain("two")]);
  assert.equal(first, second);
  await assert.rejects(ended, isDraining("one"));
});

test("jobs that are left after drainTimeoutMs have their signals aborted with the DrainingSignal", async () => {
  await using locker = openLocker(redis.url, prefix, { drainTimeoutMs: 200 });
  const { ended } = await start(locker, async (_heartbeat, { signal, state }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    assert.ok(isDraining("deploy")(signal.reason));
    return state;
  });
  const startedMs = performance.now();
  assert.deepEqual(await locker.drain("deploy"), { settled: true, left: [] });
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 195 && tookMs < 2_000, `took ${tookMs} ms`);
  assert.deepEqual(await ended, { status: "SUCCESS", result: "held", heldToTheEnd: true });
});

test("a drain with a job that ignores everything names its key, and says no goodbye", async () => {
  const locker = openLocker(redis.url, prefix, { drainTimeoutMs: 100, drainAbortMs: 100, closeTimeoutMs: 100 });
  const deaf = await start(locker, () => new Promise(() => undefined), newKey("deaf"));
  const polite = await start(locker, (heartbeat) => heartbeat.delay(60_000)); // waits: until drained
  const refused = assert.rejects(polite.ended, isDraining("deploy"));
  assert.deepEqual(await locker.drain("deploy"), { settled: false, left: [deaf.key] });
  await refused;
  assert.equal(await bystander.readHolder(polite.key), undefined);
  const holder = await bystander.readHolder(deaf.key);
  assert.equal(holder?.key, deaf.key);
  const [era, dead] = await redis.client().hmget(`${prefix}s:${holder?.sessionId}`, "era", "dead");
  assert.deepEqual([typeof era, dead], ["string", null], "the session's record");
  await locker.close();
});

test("once drained, a locker's keys can be had at once by a peer that tries once", async () => {
  const locker = openLocker(redis.url, prefix);
  const { key, ended } = await start(locker, (heartbeat) => heartbeat.delay(60_000)); // waits: until drained
  ended.catch(() => undefined);
  await locker.drain();
  const lease = await take(bystander, key);
  await lease.release();
  await locker.close();
});

test("no signal listener is added by default, nor before the first use with drainOn", async () => {
  const before = process.listenerCount("SIGTERM");
  await using plain = openLocker(redis.url, prefix);
  await plain.acquireAndRun(newKey(), () => undefined);
  await using unused = openLocker(redis.url, prefix, { drainOn: ["SIGTERM"] });
  assert.equal(process.listenerCount("SIGTERM"), before);
  const used = openLocker(redis.url, prefix, { drainOn: ["SIGTERM"] });
  await used.acquireAndRun(newKey(), () => undefined);
  assert.equal(process.listenerCount("SIGTERM"), before + 1);
  await used.close();
  assert.equal(process.listenerCount("SIGTERM"), before);
  await unused.close();
});

test("with drainOn a process drains on SIGTERM, hands its keys over and ends with SIGTERM", async () => {
  await using child = await spawnLocker(redis.url, prefix, { drainOn: ["SIGTERM"] });
  const key = newKey();
  const token = await child.request<number>("startJob", key, "beating");
  const waiting = take(bystander, key, { waitMs: 20_000 });
  await child.kill("SIGTERM");
  assert.deepEqual(await child.exited, { code: null, signal: "SIGTERM" });
  assert.equal(child.stderr, "");
  const next = await waiting;
  assert.ok(next.fencingToken > token);
  await next.release();
});

test("with drainOn a job that ignores everything holds the process up for the drain's limits, no longer", async () => {
  const options = { drainOn: ["SIGTERM" as const], drainTimeoutMs: 300, drainAbortMs: 300, closeTimeoutMs: 300 };
  await using child = await spawnLocker(redis.url, prefix, options);
  const key = newKey();
  await child.request("startJob", key, "deaf");
  const startedMs = performance.now();
  await child.kill("SIGTERM");
  const tookMs = performance.now() - startedMs;
  assert.deepEqual(await child.exited, { code: null, signal: "SIGTERM" });
  assert.ok(tookMs >= 595 && tookMs < 2_500, `took ${tookMs} ms`);
  const next = await take(bystander, key, { waitMs: 20_000 });
  await next.release();
});

test("with drainOn and a listener of its own the application ends itself", async () => {
  await using child = await spawnLocker(redis.url, prefix, { drainOn: ["SIGTERM"] });
  const key = newKey();
  await child.request("startJob", key, "beating");
  await child.request("listenTo", "SIGTERM");
  process.kill(child.pid ?? 0, "SIGTERM");
  await waitUntil(
    () => child.request<JobState>("job", key),
    (job) => typeof job === "object",
    {
      deadlineMs: 5_000,
      what: "the job's end",
    },
  );
  assert.equal(await child.request("drain").then(() => "alive"), "alive");
  child.disconnect();
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

test("without drainOn SIGTERM ends the process as it does in any other", async () => {
  await using child = await spawnLocker(redis.url, prefix);
  await child.request("startJob", newKey(), "beating");
  assert.equal(await child.request("signalListeners", "SIGTERM"), 0);
  await child.kill("SIGTERM");
  assert.deepEqual(await child.exited, { code: null, signal: "SIGTERM" });
});
