import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { Locker, LockStatus, type AcquireOptions, type Lease, type LockerOptions } from "../src/index.js";
import { lead, observe, oncePerInterval, runUnique } from "../src/recipes/index.js";
import { newKey, take } from "./support/lockers.js";
import { waitUntil } from "./support/wait.js";

const warnings: Error[] = [];
const onWarning = (warning: Error) => void warnings.push(warning);
process.on("warning", onWarning);
const lockers: Locker[] = [];
const forever = new Promise<never>(() => undefined);

function open(options: Partial<LockerOptions> = {}): Locker {
  const locker = new Locker({ enabled: false, ...options });
  lockers.push(locker);
  return locker;
}

after(async () => {
  process.off("warning", onWarning);
  await Promise.all(lockers.map((locker) => locker.close()));
});

const ways: [string, AcquireOptions][] = [
  ["exclusively", {}],
  ["by one who would wait", { waitMs: 60_000 }],
  ["shared", { mode: "shared" }],
  ["as permits", { permits: { limit: 1, perProcess: 1 } }],
  ["as permits of another limit", { permits: { limit: 2 }, waitMs: 60_000 }],
  ["with all above it", { hierarchical: true }],
  ["again by the same task", { reentrant: true }],
];

test("a key that is held can be acquired in every way, by this locker and others, with growing tokens", async () => {
  const [one, other] = [open(), open()];
  const key = `${newKey()}/a/b`;
  let last = 0;
  const leases: Lease[] = [];
  for (const locker of [one, other]) {
    for (const [way, options] of ways) {
      const lease = await take(locker, key, options);
      assert.equal(lease.state, "held", way);
      await lease.heartbeat();
      lease.assertHeld();
      if (options.permits) assert.equal(lease.fencingToken, 0);
      else assert.ok(lease.fencingToken > last, `${way}: ${lease.fencingToken} after ${last}`);
      last = Math.max(last, lease.fencingToken);
      leases.push(lease);
    }
  }
  for (const lease of leases) await lease.release();
  assert.equal(await one.readHolder(key), undefined);
});

test("a task acquires what it holds, alone and among others", async () => {
  const locker = open();
  const key = newKey();
  const inner = () => locker.acquireAllAndRun([key, newKey()], (_beat, group) => group.leases.length);
  const outcome = await locker.mutex(key, () => locker.mutex(key, inner, { mode: "shared" }));
  assert.deepEqual(outcome, { status: LockStatus.SUCCESS, result: 2, heldToTheEnd: true });
});

test("it is said once in the log, and no database is looked at", () => {
  open({ database: undefined as never });
  open({ database: "no URL at all" });
  open({ disconnectGraceMs: 8_000, workerPath: process.execPath });
  return waitUntil(() => warnings.length, 1, { deadlineMs: 2_000, what: "the warning" }).then(() => {
    assert.match(String(warnings[0]), /pulselock is off \(enabled: false\)/);
  });
});

test("no thread is started and nothing is opened", async () => {
  const opened = () => process.getActiveResourcesInfo().filter((name) => /worker|port|tcp|pipe|fs/i.test(name));
  const before = opened();
  await open().mutex(newKey(), () => assert.deepEqual(opened(), before));
});

test("a key is not kept for minHoldMs, and a recipe that relies on it runs whenever it is asked", async () => {
  const locker = open();
  const key = newKey();
  await locker.acquireAndRun(key, () => "done", { minHoldMs: 60_000 });
  assert.equal(await locker.readHolder(key), undefined);
  const minute = () => oncePerInterval(locker, key, 60_000, () => "sent");
  for (const { status } of [await minute(), await minute()]) assert.equal(status, LockStatus.SUCCESS);
  const unique = await runUnique(locker, key, "until-executed", () => "done", { queue: (run) => run() });
  assert.equal(unique.status, LockStatus.SUCCESS);
});

test("readHolder names a holder, with its labels, and lead leads", async () => {
  const locker = open({ labels: { release: "v7" } });
  const key = newKey();
  const lease = await take(locker, key, { trace: "somewhere" });
  const holder = await open().readHolder(key);
  const { fencingToken, trace, labels, pid } = holder!;
  assert.deepEqual(
    { fencingToken, trace, labels, pid },
    { fencingToken: lease.fencingToken, trace: "somewhere", labels: { release: "v7" }, pid: process.pid },
  );
  const stop = new AbortController();
  const leading = lead(locker, key, (heartbeat) => heartbeat.during(forever), { signal: stop.signal });
  for await (const leader of observe(locker, key)) {
    assert.equal(leader?.pid, process.pid);
    break;
  }
  stop.abort();
  await leading;
});

test("revoke tells all who hold the key, and takes it by force from whoever goes on", async () => {
  const [one, other] = [open({ disconnectGraceMs: 500, pingIntervalMs: 100, sessionTtlMs: 2_000 }), open()];
  const key = newKey();
  assert.deepEqual(await other.revoke(key), { status: "free" });
  const polite = await take(one, key);
  polite.signal.addEventListener("abort", () => void polite.release());
  assert.deepEqual(await other.revoke(key), { status: "released" });
  const deaf = await take(one, key);
  assert.deepEqual(await other.revoke(key, { graceMs: 20, force: true }), { status: "forced" });
  assert.equal(deaf.state, "lost");
  assert.equal(await other.readHolder(key), undefined);
  await deaf.release();
});

test("drain ends the jobs, and close() the leases", async () => {
  const locker = open({ drainTimeoutMs: 20, drainAbortMs: 20 });
  const job = locker.mutex(newKey(), async (heartbeat, lease) => {
    await once(lease.signal, "abort");
    await heartbeat();
  });
  const late = await take(locker, newKey());
  await Promise.all([assert.rejects(job, { name: "DrainingSignal" }), locker.drain("deploy")]);
  assert.equal(late.signal.aborted, true);
  await assert.rejects(locker.acquire(newKey()), { name: "DrainingSignal" });
  await locker.close();
  assert.equal(late.state, "lost");
});
