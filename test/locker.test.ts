import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { hostname } from "node:os";
import { test } from "node:test";
import { DrainingSignal, LockStatus } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { findBusy, newKey, openLocker, take, untilFree } from "./support/lockers.js";

const { redis, prefix, lockers } = await lockersForFile({ labels: { release: "7" } }, {});
const [locker, other] = lockers;

test("a job on a free key runs, and its result comes back with SUCCESS", async () => {
  const outcome = await locker.acquireAndRun(newKey(), () => ({ rows: 3 }));
  assert.deepEqual(outcome, { status: "SUCCESS", result: { rows: 3 }, heldToTheEnd: true });
});

test("a job gets a heartbeat that says yes and the lease it belongs to", async () => {
  const key = newKey();
  await locker.acquireAndRun(key, async (heartbeat, lease) => {
    await heartbeat();
    assert.equal(heartbeat, lease.heartbeat);
    assert.equal(lease.key, key);
    assert.equal(lease.state, "held");
    assert.equal(lease.signal.aborted, false);
  });
});

test("the key is free again as soon as acquireAndRun has returned", async () => {
  const key = newKey();
  await locker.acquireAndRun(key, () => undefined);
  assert.equal((await take(other, key)).key, key);
});

test("a key that another locker holds is an answer that names the holder, and the job does not run", async () => {
  const key = newKey();
  await using lease = await take(locker, key, { trace: "nightly report" });
  let ran = false;
  const outcome = await other.acquireAndRun(key, () => void (ran = true));
  assert.equal(ran, false);
  assert.equal(outcome.status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  assert.ok("holder" in outcome);
  const { sessionId, acquiredAtMs, heldForMs, ...rest } = outcome.holder;
  assert.deepEqual(rest, {
    key,
    fencingToken: lease.fencingToken,
    trace: "nightly report",
    host: hostname(),
    pid: process.pid,
    labels: { release: "7" },
  });
  assert.match(sessionId, /^\S+$/);
  assert.ok(Math.abs(Date.now() - acquiredAtMs) < 10_000, `acquiredAtMs ${acquiredAtMs}`);
  assert.ok(heldForMs >= 0 && heldForMs < 10_000, `heldForMs ${heldForMs}`);
});

test("the same locker cannot take a key it holds a second time", async () => {
  const key = newKey();
  await using lease = await take(locker, key);
  const { holder } = await findBusy(locker, key);
  assert.equal(holder.fencingToken, lease.fencingToken);
});

test("of twenty jobs on one key started at once in two lockers exactly one runs", async () => {
  const key = newKey();
  let running = 0;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  let refused = 0;
  const outcomes = Array.from({ length: 20 }, async (_unused, i) => {
    const outcome = await (i % 2 === 0 ? locker : other).acquireAndRun(key, () => {
      running += 1;
      return ended; // not before all others were told
    });
    if (outcome.status === LockStatus.SOMEONE_ELSE_HOLDS_LOCK && ++refused === 19) end();
  });
  await Promise.all(outcomes);
  assert.deepEqual({ running, refused }, { running: 1, refused: 19 });
});

test("what a job throws reaches the caller unwrapped, and the key is free", async () => {
  const key = newKey();
  const thrown = new RangeError("row 17");
  const running = locker.acquireAndRun(key, () => {
    throw thrown;
  });
  await assert.rejects(running, (error) => error === thrown);
  assert.equal(await other.readHolder(key), undefined);
});

test("what a job throws reaches the caller also when its lease was lost while it ran", async () => {
  const closing = openLocker(redis.url, prefix);
  const thrown = new RangeError("row 18");
  const running = closing.acquireAndRun(newKey(), async (_heartbeat, { signal }) => {
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    void closing.close();
    await aborted;
    throw thrown;
  });
  await assert.rejects(running, (error) => error === thrown);
  await closing.close();
});

test("a job may throw what is not an error", async () => {
  const running = locker.acquireAndRun(newKey(), () => Promise.reject<void>(undefined as unknown as Error));
  const settled = await running.then(
    () => "resolved",
    (thrown: unknown) => ({ thrown }),
  );
  assert.deepEqual(settled, { thrown: undefined });
});

test("a grant that comes in the instant of an abort reaches nobody, and is given back", async () => {
  const key = newKey();
  const stop = new AbortController();
  const onGranted = (event: unknown): void => {
    if ((event as { key: string }).key === key) stop.abort(new Error("enough"));
  };
  subscribe("pulselock:granted", onGranted);
  try {
    await assert.rejects(locker.acquire(key, { signal: stop.signal }), /enough/);
  } finally {
    unsubscribe("pulselock:granted", onGranted);
  }
  assert.equal(stop.signal.aborted, true);
  assert.equal(await other.readHolder(key), undefined);
});

test("a job that gives its lease back early has lost nothing", async () => {
  const key = newKey();
  const outcome = await locker.acquireAndRun(key, async (_heartbeat, lease) => {
    await lease.release();
    return (await take(other, key)).fencingToken > lease.fencingToken;
  });
  assert.deepEqual(outcome, { status: "SUCCESS", result: true, heldToTheEnd: true });
});

test("readHolder tells who holds a key, and nothing once it is free", async () => {
  const key = newKey();
  assert.equal(await locker.readHolder(key), undefined);
  const lease = await take(locker, key, { trace: "who" });
  const holder = await other.readHolder(key);
  assert.equal(holder?.fencingToken, lease.fencingToken);
  assert.equal(holder?.trace, "who");
  await lease.release();
  assert.equal(await other.readHolder(key), undefined);
});

test("fencing tokens of a key grow over releases and across lockers", async () => {
  const key = newKey();
  const tokens: number[] = [];
  for (const [i, who] of [locker, other, other, locker, other].entries()) {
    const lease = await take(who, key, { trace: String(i) });
    tokens.push(lease.fencingToken);
    await lease.release();
  }
  assert.deepEqual(
    tokens,
    [...new Set(tokens)].sort((a, b) => a - b),
  );
  assert.ok(tokens.every((token) => Number.isSafeInteger(token)));
});

test("LockStatus values are the words on the wire", () => {
  assert.deepEqual(LockStatus, { SUCCESS: "SUCCESS", SOMEONE_ELSE_HOLDS_LOCK: "SOMEONE_ELSE_HOLDS_LOCK" });
});

test("a drained locker acquires nothing more, and says so with the reason", async () => {
  const drained = openLocker(redis.url, prefix);
  const key = newKey();
  await drained.acquireAndRun(key, () => undefined);
  assert.deepEqual(await drained.drain("deploy 8"), { settled: true, left: [] });
  await assert.rejects(drained.acquire(key), (error) => error instanceof DrainingSignal && error.reason === "deploy 8");
  await drained.close();
  await untilFree(other, key);
});
