import assert from "node:assert/strict";
import { test } from "node:test";
import { LockError, LockStatus, LockTimeoutError } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { findBusy, newKey, openLocker, record, take, untilFree } from "./support/lockers.js";
import { countCommands } from "./support/monitor.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

/** Resolves once somebody was told that the key is held: a waiter has begun to wait. */
async function untilRefused(key: string): Promise<void> {
  using busy = record("busy");
  await waitUntil(() => busy.events.some((event) => event.key === key), true, { deadlineMs: 5_000, what: "a refusal" });
}

test("acquire with waitMs gets the key once its holder releases it", async () => {
  const key = newKey();
  const lease = await take(locker, key);
  const waiting = take(other, key, { waitMs: 20_000 });
  await untilRefused(key);
  await lease.release();
  const next = await withDeadline(waiting, 2_000, "the waiter's grant");
  assert.ok(next.fencingToken > lease.fencingToken);
  await next.release();
});

test("acquire with waitMs answers with the holder when the time is over", async () => {
  const key = newKey();
  await using lease = await take(locker, key);
  const startedMs = performance.now();
  const { holder } = await findBusy(other, key, { waitMs: 300 });
  const tookMs = performance.now() - startedMs;
  assert.equal(holder.fencingToken, lease.fencingToken);
  assert.ok(tookMs >= 295 && tookMs < 1_500, `took ${tookMs} ms`);
});

test("mutex waits, runs the job and returns what it returns", async () => {
  const key = newKey();
  const lease = await take(locker, key);
  const waiting = other.mutex(key, async (heartbeat, held) => {
    await heartbeat();
    return held.fencingToken;
  });
  await untilRefused(key);
  await lease.release();
  assert.ok((await withDeadline(waiting, 2_000, "the mutex")) > lease.fencingToken);
  assert.equal(await locker.readHolder(key), undefined);
});

test("mutex throws LockTimeoutError naming the holder when the time is over", async () => {
  const key = newKey();
  await using lease = await take(locker, key, { trace: "long job" });
  const waiting = other.mutex(key, () => assert.fail("the job ran"), { waitMs: 200 });
  await assert.rejects(waiting, (error) => {
    assert.ok(error instanceof LockTimeoutError);
    assert.equal(error.name, "LockTimeoutError");
    assert.deepEqual([error.key, error.waitMs], [key, 200]);
    assert.equal(error.holder.fencingToken, lease.fencingToken);
    assert.ok(error.message.includes(key) && error.message.includes(`/${process.pid} "long job" for`), error.message);
    return true;
  });
});

test("what a mutex job throws reaches the caller unwrapped, and the key is free", async () => {
  const key = newKey();
  const thrown = new TypeError("row 3");
  const running = locker.mutex(key, () => Promise.reject(thrown));
  await assert.rejects(running, (error) => error === thrown);
  assert.equal(await other.readHolder(key), undefined);
});

test("many mutex jobs on one key in two lockers run one after the other, all of them", async () => {
  const key = newKey();
  const order: string[] = [];
  const job = async (): Promise<void> => {
    order.push("in");
    await new Promise((resolve) => setImmediate(resolve));
    order.push("out");
  };
  await Promise.all(Array.from({ length: 12 }, (_unused, i) => [locker, other][i % 2]?.mutex(key, job)));
  assert.deepEqual(order, Array.from({ length: 12 }, () => ["in", "out"]).flat());
});

test("those who wait since a locker's first turn are served in the order in which they came", async () => {
  const key = newKey();
  await using fresh = openLocker(redis.url, prefix);
  const lease = await take(locker, key);
  const order: string[] = [];
  const waiting = ["a", "b", "c"].map((name) => fresh.mutex(key, () => void order.push(name)));
  await untilRefused(key);
  await lease.release();
  await withDeadline(Promise.all(waiting), 5_000, "all jobs");
  assert.deepEqual(order, ["a", "b", "c"]);
});

test("while a process hands a key on among its waiters, its holder is shown as the first of them", async () => {
  const key = newKey();
  await using handing = openLocker(redis.url, prefix, { localHandOffs: { ms: 60_000 } });
  const lease = await take(locker, key, { trace: "before" });
  const look = async (token: number) => ({ token, holder: await other.readHolder(key) });
  const waiting = ["first", "second"].map((trace) =>
    handing.mutex(key, (_heartbeat, { fencingToken }) => look(fencingToken), { trace }),
  );
  await untilRefused(key);
  await lease.release();
  const [first, second] = await withDeadline(Promise.all(waiting), 5_000, "both jobs");
  assert.deepEqual([first?.holder?.trace, second?.holder?.trace], ["first", "first"]);
  assert.deepEqual([first?.holder?.fencingToken, second?.holder?.fencingToken], [first?.token, first?.token]);
  assert.equal(second!.token, first!.token + 1);
});

test("aborting the signal ends a wait at once with its reason, and nothing is held", async () => {
  const key = newKey();
  const lease = await take(locker, key);
  const stop = new AbortController();
  const waiting = other.mutex(key, () => assert.fail("the job ran"), { signal: stop.signal });
  const outcome = waiting.catch((error: unknown) => ({ error, atMs: performance.now() }));
  await untilRefused(key);
  const reason = new Error("the user went away");
  const abortedMs = performance.now();
  stop.abort(reason);
  const { error, atMs } = (await outcome) as { error: unknown; atMs: number };
  assert.equal(error, reason);
  assert.ok(atMs - abortedMs < 100, `took ${atMs - abortedMs} ms`);
  await lease.release();
  await untilFree(locker, key);
});

test("an aborted signal refuses an acquire before anything is sent", async () => {
  const key = newKey();
  await assert.rejects(locker.acquire(key, { signal: AbortSignal.abort(new Error("too late")) }), /too late/);
  assert.equal(await other.readHolder(key), undefined);
});

test("an abort after the grant does not take the lease away", async () => {
  const key = newKey();
  const stop = new AbortController();
  await using lease = await take(locker, key, { signal: stop.signal });
  stop.abort();
  await lease.heartbeat();
  assert.equal(lease.state, "held");
});

test("aborts at any moment of an acquire leave nothing held", async () => {
  const keys = Array.from({ length: 60 }, () => newKey());
  const outcomes = keys.map(async (key, i) => {
    const stop = new AbortController();
    const acquiring = locker.acquire(key, { signal: stop.signal });
    // Turns of the event loop, not ms: from before the batch is sent until after its answer was read.
    for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    const acquired = await acquiring.catch(() => undefined);
    if (acquired?.status === LockStatus.SUCCESS) await acquired.lease.release();
    return acquired === undefined ? "aborted" : "granted";
  });
  assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(["aborted", "granted"]));
  await Promise.all(keys.map((key) => untilFree(other, key)));
});

test("a lease granted in the very turn of the abort reaches nobody and is given back", async () => {
  const key = newKey();
  const stop = new AbortController();
  const { events, ...recording } = record("granted");
  using _recording = recording;
  const onGranted = (): void => stop.abort(new Error("in that instant"));
  const acquiring = locker.acquire(key, { signal: stop.signal });
  Object.defineProperty(events, "push", { value: (event: { key: string }) => event.key === key && onGranted() });
  await assert.rejects(acquiring, /in that instant/);
  await untilFree(other, key);
});

test("waiters in one locker do not poll hot", async () => {
  const key = newKey();
  await using lease = await take(locker, key);
  const waiting = findBusy(other, key, { waitMs: 1_000 });
  const { commands } = await countCommands(redis.url, () => waiting);
  const asked = commands.filter(({ text }) => text.includes(key)).length;
  assert.ok(asked > 0 && asked < 60, `${asked} acquires within a second`);
  assert.equal(lease.state, "held");
});

test("a wait for a lease that is lost meanwhile ends with a grant, and the loser is told", async () => {
  const key = newKey();
  const lease = await take(locker, key, { lockTtlMs: 2_000 });
  const next = await take(other, key, { waitMs: 10_000 }); // nobody beats: the lease expires
  assert.ok(next.fencingToken > lease.fencingToken);
  assert.equal(lease.state, "lost");
  await assert.rejects(lease.heartbeat(), (error) => error instanceof LockError && error.code === "expired");
  await next.release();
});
