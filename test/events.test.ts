import assert from "node:assert/strict";
import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { LockStatus } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { condemnAndTake, newKey, openLocker, record, take } from "./support/lockers.js";
import { waitUntil } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

test("a grant and a release are published with key and token", async () => {
  using granted = record("granted");
  using released = record("released");
  const key = newKey();
  const lease = await take(locker, key);
  await lease.release();
  const { fencingToken } = lease;
  const { waitedMs, ...grant } = granted.events.find((event) => event.key === key) ?? assert.fail("no grant");
  assert.deepEqual(grant, { key, fencingToken, takenFrom: undefined });
  assert.ok(waitedMs > 0 && waitedMs < 20_000, `waitedMs ${waitedMs}`);
  assert.deepEqual(released.events, [{ key, fencingToken }]);
});

test("being busy is published, and is no error", async () => {
  using busy = record("busy");
  using store = record("store");
  await using lease = await take(locker, newKey());
  const { status } = await other.acquire(lease.key);
  assert.equal(status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  const sessionId = (await other.readHolder(lease.key))?.sessionId;
  assert.deepEqual(busy.events, [{ key: lease.key, sessionId, fencingToken: lease.fencingToken }]);
  assert.deepEqual(store.events, []);
});

test("a loss is published with its code, and the session's end and successor before it", async () => {
  using lost = record("lost");
  using sessions = record("session");
  await using lease = await take(locker, newKey());
  const last = (await other.readHolder(lease.key))?.sessionId;
  const thief = await take(other, newKey());
  await condemnAndTake(redis.client(), prefix, lease.key, thief.key);
  await waitUntil(() => lost.events.length, 1, { deadlineMs: 5_000, what: "events of a loss" });
  assert.deepEqual(lost.events, [{ key: lease.key, fencingToken: lease.fencingToken, code: "taken-over" }]);
  const [session] = sessions.events.filter(({ cause }) => cause === "condemned");
  assert.ok(session && session.sessionId !== last);
  await thief.release();
});

test("a takeover is published by whoever condemned, and its grant names the session it was taken from", async () => {
  using granted = record("granted");
  await using lease = await take(locker, newKey());
  const sessionId = (await other.readHolder(lease.key))?.sessionId ?? "";
  // Said goodbye: the record is gone, so the key can be taken at once.
  await redis.client().del(`${prefix}s:${sessionId}`);
  const next = await take(other, lease.key);
  const grant = granted.events.find(({ fencingToken }) => fencingToken === next.fencingToken);
  assert.deepEqual(grant?.takenFrom, { sessionId, reason: "gone", silentMs: 0, host: "", pid: 0 });
  await next.release();
});

test("the worker's start and stop and a drain's steps are published", async () => {
  using worker = record("worker");
  using drains = record("drain");
  const drained = openLocker(redis.url, prefix, { drainTimeoutMs: 50, drainAbortMs: 50 });
  await take(drained, newKey());
  await drained.drain("deploy");
  await drained.close();
  assert.deepEqual(worker.events, [{ state: "started" }, { state: "stopped" }]);
  const steps = ["started", "aborting", "left"].map((state) => ({ reason: "deploy", state, jobs: 1 }));
  assert.deepEqual(drains.events, steps);
});

test("every state change is also said by debug under pulselock:*", () => {
  const program = `
    import { Locker, RedisDatabase } from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
    const database = new RedisDatabase(process.argv[1], { prefix: process.argv[2] });
    const locker = new Locker({ database });
    const { lease } = await locker.acquire("said");
    await locker.acquire("said");
    await lease.release();
    await locker.drain("done");
  `;
  const args = ["--input-type=module", "-e", program, redis.url, prefix];
  const env = { ...process.env, DEBUG: "pulselock:*", DEBUG_COLORS: "no", NODE_TEST_CONTEXT: "" };
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8", timeout: 30_000 });
  assert.equal(status, 0, stderr);
  for (const name of ["worker", "session", "granted", "busy", "released", "drain"]) {
    assert.match(stderr, new RegExp(`pulselock:${name} \\{`));
  }
  assert.match(stderr, /pulselock:granted \{ key: 'said'/);
});
