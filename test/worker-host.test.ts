import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LockError, Locker, StoreError, type Lease, type LockerOptions } from "../src/index.js";
import { condemnAndTake, fastLimits, newKey, newPrefix, openLocker, record, take } from "./support/lockers.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const prefix = newPrefix();
const folder = mkdtempSync(join(tmpdir(), "pulselock-worker-"));
const file = join(folder, "act");
const database = {
  moduleName: new URL("./support/fixtures/misbehaving-database.js", import.meta.url).href,
  exportName: "database",
};
let redis: RedisServer;
let bystander: Locker;

before(async () => {
  redis = await startRedis();
  Object.assign(process.env, { MISBEHAVE_FILE: file, FIXTURE_URL: redis.url, FIXTURE_PREFIX: prefix });
  bystander = openLocker(redis.url, prefix);
  await bystander.acquireAndRun(newKey(), () => undefined);
});

after(async () => {
  await bystander.close();
  await redis[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const openMisbehaving = (options: Partial<LockerOptions> = {}): Locker =>
  new Locker({ database, ...fastLimits, ...options });

const tellWorker = (act: string): void => writeFileSync(file, act);

/** Makes the worker do it, and resolves once the main thread knows that the worker is gone. */
async function breakWorker(act: string, state: "failed" | "stalled" = "failed"): Promise<void> {
  using worker = record("worker");
  tellWorker(act);
  const seen = (): boolean => worker.events.some((event) => event.state === state);
  await waitUntil(seen, true, { deadlineMs: 20_000, what: `the worker ${state}` });
}

const untilUnsure = (lease: Lease): Promise<unknown> =>
  waitUntil(() => lease.state, "unsure", { deadlineMs: 5_000, what: "the lease's state" });

for (const act of ["throw", "reject", "exit", "run out of memory"]) {
  test(`a worker told to ${act} is started again under the same session, and the job keeps its lease`, async () => {
    await using locker = openMisbehaving();
    await using lease = await take(locker, newKey());
    const before = await bystander.readHolder(lease.key);
    using worker = record("worker");
    await breakWorker(act);
    await waitUntil(() => worker.events.at(-1)?.state, "started", { deadlineMs: 5_000, what: "the worker's state" });
    await withDeadline(lease.heartbeat(), 5_000, "the heartbeat");
    const { heldForMs: _heldForMs, ...holder } = (await bystander.readHolder(lease.key)) ?? assert.fail("not held");
    assert.deepEqual({ ...holder, heldForMs: before?.heldForMs }, before);
    await lease.heartbeat.delay(1_000); // waits: for longer than the trust that the old worker left behind
  });
}

test("a worker in an endless loop is replaced, heartbeats wait meanwhile, and the job keeps its lease", async () => {
  await using locker = openMisbehaving();
  await using lease = await take(locker, newKey());
  const stalled = breakWorker("loop", "stalled");
  await untilUnsure(lease);
  let saidYes = false;
  const beating = lease.heartbeat().then(() => (saidYes = true));
  await stalled;
  assert.equal(saidYes, false);
  await withDeadline(beating, 5_000, "the heartbeat");
  assert.equal((await bystander.readHolder(lease.key))?.fencingToken, lease.fencingToken);
});

test("the key of a process whose worker is stuck goes to a waiting peer, and is never believed again", async () => {
  await using locker = openMisbehaving();
  await using lease = await take(locker, newKey());
  tellWorker("loop");
  await untilUnsure(lease);
  const beating = lease.heartbeat().then(
    () => "yes",
    (error: unknown) => error,
  );
  const next = await take(bystander, lease.key, { waitMs: 20_000 });
  assert.equal(lease.state, "unsure");
  const outcome = await withDeadline(beating, 15_000, "the heartbeat's answer");
  assert.ok(outcome instanceof LockError && outcome.code === "taken-over", String(outcome));
  assert.equal(outcome.holder?.fencingToken, next.fencingToken);
  await next.release();
});

test("while no worker can be started nothing is believed, also when the key is taken meanwhile", async () => {
  await using locker = openMisbehaving();
  await using lease = await take(locker, newKey());
  const thief = await take(bystander, newKey());
  await breakWorker("exit");
  tellWorker("fail-to-load");
  await untilUnsure(lease);
  await condemnAndTake(redis.client(), prefix, lease.key, thief.key);
  let answers = 0;
  const beating = lease.heartbeat().finally(() => (answers += 1));
  beating.catch(() => undefined);
  await breakWorker("fail-to-load"); // one more failed start
  assert.deepEqual([lease.state, answers], ["unsure", 0]);
  rmSync(file);
  await assert.rejects(
    withDeadline(beating, 10_000, "the heartbeat's answer"),
    (error) => error instanceof LockError && error.code === "taken-over",
  );
  await thief.release();
});

test("a worker that cannot load the database fails an acquire with its reason, and is not restarted hot", async () => {
  tellWorker("fail-to-load");
  await using locker = openMisbehaving({ acquireTimeoutMs: 1_500 });
  using worker = record("worker");
  await assert.rejects(
    locker.acquire(newKey()),
    (error) => error instanceof StoreError && error.message.includes("The liveness worker failed: told not to load"),
  );
  const starts = worker.events.filter(({ state }) => state === "started").length;
  assert.ok(starts >= 2 && starts <= 12, `${starts} starts within 1.5 s`);
  rmSync(file);
  assert.equal((await take(locker, newKey())).state, "held");
});

test("an acquire during which the worker dies is granted all the same", async () => {
  await using locker = openMisbehaving();
  await locker.acquireAndRun(newKey(), () => undefined);
  await breakWorker("exit");
  await using lease = await take(locker, newKey());
  await lease.heartbeat();
});

test("a worker that dies while the main thread is blocked is started once that runs again", async () => {
  await using locker = openMisbehaving();
  await using lease = await take(locker, newKey());
  tellWorker("exit");
  const untilMs = performance.now() + 1_000;
  while (performance.now() < untilMs); // waits: the main thread is to be blocked for longer than trust lasts
  assert.equal(lease.state, "unsure");
  await withDeadline(lease.heartbeat(), 5_000, "the heartbeat");
});

test("close() while the worker is stuck in an endless loop takes it down", async () => {
  const locker = openMisbehaving({ closeTimeoutMs: 300 });
  const lease = await take(locker, newKey());
  await lease.release();
  tellWorker("loop");
  await waitUntil(() => existsSync(file), false, { deadlineMs: 5_000, what: "the worker obeys" });
  await withDeadline(locker.close(), 2_000, "close()");
});

test("a worker file that is none of ours fails an acquire with what it says", async () => {
  const workerPath = join(folder, "not-our-worker.mjs");
  writeFileSync(workerPath, 'export default () => { throw new Error("not our worker"); };');
  await using locker = openLocker(redis.url, prefix, { workerPath, acquireTimeoutMs: 500 });
  await assert.rejects(
    locker.acquire(newKey()),
    (error) => error instanceof StoreError && error.message.includes("The liveness worker failed: not our worker"),
  );
});
