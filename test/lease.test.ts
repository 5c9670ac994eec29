import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DrainingSignal, LockError, LockStatus, LockUnsureError, type Lease, type Locker } from "../src/index.js";
import { condemnAndTake, newKey, newPrefix, openLocker, take, untilFree } from "./support/lockers.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const prefix = newPrefix();
let redis: RedisServer;
let locker: Locker;
let other: Locker;

before(async () => {
  redis = await startRedis();
  locker = openLocker(redis.url, prefix);
  other = openLocker(redis.url, prefix);
});

after(async () => {
  redis.thaw();
  await Promise.all([locker.close(), other.close()]);
  await redis[Symbol.asyncDispose]();
});

/** The lease is lost to the other locker, without the holder's doing. Resolves once the store says so. */
async function lose(lease: Lease): Promise<{ thief: Lease; fencingToken: number }> {
  const thief = await take(other, newKey("thief"), { trace: "thief" });
  return { thief, fencingToken: await condemnAndTake(redis.client(), prefix, lease.key, thief.key) };
}

const untilState = (lease: Lease, state: Lease["state"]): Promise<unknown> =>
  waitUntil(() => lease.state, state, { deadlineMs: 5_000, what: `the state of ${lease.key}` });

test("a lease in hand is held: its heartbeat resolves and assertHeld passes", async () => {
  await using lease = await take(locker, newKey());
  assert.equal(await lease.heartbeat(), undefined);
  assert.equal(lease.assertHeld(), undefined);
  assert.equal(lease.state, "held");
});

test("while the store is silent a lease is unsure: assertHeld throws, heartbeat waits and then says yes", async () => {
  await using lease = await take(locker, newKey());
  await redis.freeze();
  await untilState(lease, "unsure");
  assert.throws(
    () => lease.assertHeld(),
    (error) =>
      error instanceof LockUnsureError && error.key === lease.key && error.message.includes("await heartbeat()"),
  );
  let saidYes = false;
  const beating = lease.heartbeat().then(() => (saidYes = true));
  await new Promise((resolve) => setTimeout(resolve, 300)); // waits: an answer given too early would be a false yes
  assert.equal(saidYes, false);
  redis.thaw();
  await withDeadline(beating, 5_000, "the heartbeat's yes");
  assert.equal(lease.state, "held");
});

test('with whenUnsure "abort" a heartbeat that cannot know ends the lease', async () => {
  await using impatient = openLocker(redis.url, prefix, { whenUnsure: "abort" });
  await using lease = await take(impatient, newKey());
  await redis.freeze();
  await untilState(lease, "unsure");
  await assert.rejects(lease.heartbeat(), (error) => error instanceof LockError && error.code === "unreachable");
  assert.equal(lease.state, "lost");
  redis.thaw();
  await untilFree(other, lease.key);
});

test("the signal aborts with the LockError that says by whom the key was taken", async () => {
  await using lease = await take(locker, newKey());
  const { thief, fencingToken } = await lose(lease);
  await untilState(lease, "lost");
  assert.equal(lease.signal.aborted, true);
  const reason = lease.signal.reason as LockError;
  assert.ok(reason instanceof LockError);
  assert.deepEqual([reason.name, reason.code, reason.key], ["LockError", "taken-over", lease.key]);
  assert.deepEqual([reason.lostForMs, reason.cause], [0, undefined]);
  assert.equal(reason.holder?.sessionId, (await other.readHolder(thief.key))?.sessionId);
  assert.equal(reason.holder?.fencingToken, fencingToken);
  assert.ok(reason.message.includes(`(taken-over, now held by`), reason.message);
  assert.ok(reason.message.includes("Stop this job: another process runs it."), reason.message);
  await thief.release();
});

test("every later look at a lost lease throws a LockError that says how long ago", async () => {
  await using lease = await take(locker, newKey());
  await lose(lease);
  await untilState(lease, "lost");
  const isLater = (error: unknown): boolean =>
    error instanceof LockError && error.lostForMs > 0 && /, \d+ ms ago\)/.test(error.message);
  await new Promise((resolve) => setTimeout(resolve, 5)); // waits: "how long ago" is in ms
  assert.throws(() => lease.assertHeld(), isLater);
  await assert.rejects(lease.heartbeat(), isLater);
  await assert.rejects(lease.heartbeat.delay(10_000), isLater); // waits: not at all
});

test("a LockError tells by how much the event loop was late", async () => {
  await using lease = await take(locker, newKey());
  await lose(lease);
  const untilMs = performance.now() + 400;
  while (performance.now() < untilMs); // waits: the event loop is to be late
  await untilState(lease, "lost");
  const { eventLoopLagMs, message } = lease.signal.reason as LockError;
  assert.ok(eventLoopLagMs >= 100 && eventLoopLagMs < 5_000, `eventLoopLagMs ${eventLoopLagMs}`);
  assert.match(message, /The event loop was \d+ ms late\./);
});

test("a session that was condemned keeps the leases that nobody has taken", async () => {
  await using lease = await take(locker, newKey());
  await using stolen = await take(locker, newKey());
  const before = await other.readHolder(lease.key);
  await lose(stolen);
  await untilState(stolen, "lost");
  await lease.heartbeat();
  const now = await other.readHolder(lease.key);
  assert.equal(now?.fencingToken, lease.fencingToken);
  assert.notEqual(now?.sessionId, before?.sessionId);
});

test("a lease that is asked back from a living session is revoked", async () => {
  await using lease = await take(locker, newKey());
  const holder = await other.readHolder(lease.key);
  const client = redis.client();
  const session = `${prefix}s:${holder?.sessionId}`;
  await client.multi().del(`${prefix}l:${lease.key}`).hincrby(session, "lost", 1).exec();
  await untilState(lease, "lost");
  assert.equal((lease.signal.reason as LockError).code, "revoked");
});

test("a lease whose job never beats expires after its lock TTL, and not before", async () => {
  const startedMs = performance.now();
  await using lease = await take(locker, newKey(), { lockTtlMs: 2_000 });
  await untilState(lease, "lost"); // waits: for the lock TTL
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 1_990 && tookMs < 2_600, `took ${tookMs} ms`);
  assert.equal((lease.signal.reason as LockError).code, "expired");
  assert.match((lease.signal.reason as Error).message, /call heartbeat\(\) at least every lockTtlMs/);
});

test("a store that is silent for a whole lock TTL ends the lease as unreachable; a heartbeat says so", async () => {
  await using lease = await take(locker, newKey(), { lockTtlMs: 2_000 });
  const startedMs = performance.now();
  await redis.freeze();
  await untilState(lease, "unsure");
  const isUnreachable = (error: unknown): boolean => error instanceof LockError && error.code === "unreachable";
  await assert.rejects(withDeadline(lease.heartbeat(), 5_000, "the heartbeat's answer"), isUnreachable);
  assert.ok(performance.now() - startedMs >= 1_900);
  redis.thaw();
  await untilFree(other, lease.key);
});

test("a job that ran on with its lease lost gets its result, and that it did not hold to the end", async () => {
  const outcome = await locker.acquireAndRun(newKey(), async (_heartbeat, lease) => {
    await lose(lease);
    await untilState(lease, "lost");
    return "done";
  });
  assert.deepEqual(outcome, { status: LockStatus.SUCCESS, result: "done", heldToTheEnd: false });
});

test("a job that was lost without anybody knowing yet did not hold to the end either", async () => {
  const key = newKey();
  const outcome = await locker.acquireAndRun(key, async (_heartbeat, lease) => {
    const { thief } = await lose(lease);
    await thief.release();
    return lease.state;
  });
  assert.ok("heldToTheEnd" in outcome);
  assert.equal(outcome.heldToTheEnd, false);
  assert.equal((await other.readHolder(key))?.trace, "", "the thief's lease is still there");
});

test("a LockError that the job lets through reaches the caller as it is", async () => {
  const running = locker.acquireAndRun(newKey(), async (heartbeat, lease) => {
    await lose(lease);
    await untilState(lease, "lost");
    await heartbeat();
  });
  await assert.rejects(running, (error) => error instanceof LockError && error.code === "taken-over");
});

test("a release that the store does not answer does not mask what the job threw", async () => {
  const thrown = new Error("the job's own");
  const key = newKey();
  const running = locker.acquireAndRun(key, async () => {
    await redis.freeze();
    throw thrown;
  });
  await assert.rejects(withDeadline(running, 3_000, "the job's error"), (error) => error === thrown);
  redis.thaw();
  await untilFree(other, key);
});

test("a drain reaches heartbeats at once, and the lease stays held until the job has ended", async () => {
  await using drained = openLocker(redis.url, prefix);
  const lease = await take(drained, newKey());
  const draining = drained.drain("deploy");
  await assert.rejects(lease.heartbeat(), (error) => error instanceof DrainingSignal && error.reason === "deploy");
  assert.equal(lease.signal.aborted, false);
  assert.equal((await other.readHolder(lease.key))?.fencingToken, lease.fencingToken);
  await lease.release();
  assert.deepEqual(await draining, { settled: true, left: [] });
});
