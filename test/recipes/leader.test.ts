import assert from "node:assert/strict";
import { test } from "node:test";
import { LockError, type Holder, type Lease, type Locker } from "../../src/index.js";
import { lead } from "../../src/recipes/index.js";
import { lockersForFile } from "../support/file-lockers.js";
import { condemnAndTake, newKey, openLocker, take, untilFree } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";
import { spawnCandidate } from "./fixtures/candidates.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

/** Leads until it is stopped, and notes each lease. */
function campaign(candidate: Locker, role: string) {
  const stop = new AbortController();
  const leases: Lease[] = [];
  const ended = lead(
    candidate,
    role,
    async (heartbeat, lease) => {
      leases.push(lease);
      for (;;) await heartbeat.delay(20_000); // waits: a job that leads until it is stopped
    },
    { signal: stop.signal, againMs: 50 },
  );
  ended.catch(() => undefined); // looked at by the test
  return { leases, ended, stop: () => stop.abort(new Error("enough")) };
}

const untilLeads = (leases: readonly Lease[], count = 1): Promise<unknown> =>
  waitUntil(() => leases.length, count, { deadlineMs: 20_000, what: "how often it led" });

const untilHeldBy = (role: string, is: (holder: Holder | undefined) => boolean): Promise<Holder | undefined> =>
  waitUntil(() => other.readHolder(role), is, { deadlineMs: 20_000, what: `the holder of ${role}` });

test("of two candidates one leads, and the other follows when that one is stopped", async () => {
  const role = newKey("role");
  const first = campaign(locker, role);
  await untilLeads(first.leases);
  const second = campaign(other, role);
  assert.equal(second.leases.length, 0);
  first.stop();
  await withDeadline(first.ended, 2_000, "the end of the first campaign");
  await untilLeads(second.leases);
  assert.equal(first.leases.length, 1);
  assert.ok(second.leases[0]!.fencingToken > first.leases[0]!.fencingToken);
  second.stop();
  await withDeadline(second.ended, 2_000, "the end of the second campaign");
  await untilFree(other, role);
});

test("a stop ends the job before the role is given back, by heartbeat and by signal", async () => {
  const role = newKey("role");
  const stop = new AbortController();
  const reason = new Error("enough");
  const seen: unknown[] = [];
  let goOn!: () => void;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const ended = lead(
    locker,
    role,
    async (heartbeat, lease) => {
      await heartbeat();
      lease.assertHeld();
      stop.abort(reason);
      seen.push(lease.signal.reason, await heartbeat().catch((error: unknown) => error), lease.state);
      await gate;
    },
    { signal: stop.signal },
  );
  await waitUntil(() => seen, [reason, reason, "held"], { deadlineMs: 5_000, what: "what the job was told" });
  assert.equal((await other.readHolder(role))?.pid, process.pid);
  goOn();
  await withDeadline(ended, 2_000, "the end of the campaign");
  assert.equal(await other.readHolder(role), undefined);
});

test("a candidate that is stopped while it waits leaves at once", async () => {
  const role = newKey("role");
  await using _lease = await take(other, role);
  const waiting = campaign(locker, role);
  await untilHeldBy(role, (holder) => holder !== undefined);
  waiting.stop();
  await withDeadline(waiting.ended, 2_000, "the end of the campaign");
  assert.equal(waiting.leases.length, 0);
});

test("a leader that lost its lease campaigns again, and leads once the thief has gone", async () => {
  const role = newKey("role");
  await using thief = await take(other, newKey("thief"));
  const robbed = campaign(locker, role);
  await untilLeads(robbed.leases);
  const token = await condemnAndTake(redis.client(), prefix, role, thief.key);
  const [lease] = robbed.leases;
  await waitUntil(() => lease?.signal.aborted, true, { deadlineMs: 5_000, what: "the loss" });
  assert.ok(lease?.signal.reason instanceof LockError, String(lease?.signal.reason));
  assert.equal(robbed.leases.length, 1);
  await redis.client().del(`${prefix}l:${role}`);
  await untilLeads(robbed.leases, 2);
  assert.ok(robbed.leases[1]!.fencingToken > token);
  robbed.stop();
  await withDeadline(robbed.ended, 2_000, "the end of the campaign");
});

test("what the job throws ends the campaign and frees the role, also an error of another lock", async () => {
  const role = newKey("role");
  for (const error of [new Error("the job's own"), new LockError("expired", { key: "another key" })]) {
    const failing = lead(locker, role, () => Promise.reject(error));
    await assert.rejects(withDeadline(failing, 5_000, "the campaign"), (thrown) => thrown === error);
    assert.equal(await other.readHolder(role), undefined);
  }
});

test("a job that returns gives the role to the next, and its campaign goes on", async () => {
  const role = newKey("role");
  const stop = new AbortController();
  const order: string[] = [];
  const takingTurns = (candidate: Locker, name: string) =>
    lead(candidate, role, () => void order.push(name), { signal: stop.signal, againMs: 100 });
  const both = [takingTurns(locker, "a"), takingTurns(other, "b")];
  const fair = (): boolean => ["a", "b"].every((name) => order.filter((each) => each === name).length >= 3);
  await waitUntil(fair, true, { deadlineMs: 20_000, what: "three turns of each" });
  stop.abort();
  await withDeadline(Promise.all(both), 2_000, "the end of the campaigns");
});

test("a drain ends a campaign, also that of the leader", async () => {
  const role = newKey("role");
  await using draining = openLocker(redis.url, prefix);
  const leading = campaign(draining, role);
  await untilLeads(leading.leases);
  const waiting = campaign(draining, role);
  assert.deepEqual(await draining.drain(), { settled: true, left: [] });
  await withDeadline(Promise.all([leading.ended, waiting.ended]), 2_000, "the end of the campaigns");
  assert.equal(waiting.leases.length, 0);
});

test("a campaign outlasts a store that is away, and ends when the store will never have it", async () => {
  await using server = await startRedis();
  await using patient = openLocker(server.url, prefix, { acquireTimeoutMs: 300 });
  await server.stop();
  const campaigning = campaign(patient, newKey("role"));
  await assert.rejects(patient.acquire("any"), { name: "StoreError" });
  await server.start();
  await untilLeads(campaigning.leases);
  campaigning.stop();
  await withDeadline(campaigning.ended, 2_000, "the end of the campaign");
  const denied = new URL(server.url);
  denied.password = "wrong";
  await server.client().config("SET", "requirepass", "right");
  await using refused = openLocker(denied.href, prefix);
  const hopeless = lead(refused, newKey("role"), () => undefined);
  await assert.rejects(withDeadline(hopeless, 20_000, "the campaign"), { name: "StoreError", code: "denied" });
});

test("when the leading process is killed another leads within 2 s, with a larger token", async () => {
  const role = newKey("role");
  const candidates = await Promise.all([1, 2, 3].map(() => spawnCandidate(redis.url, prefix, role)));
  try {
    let token = 0;
    for (let kills = 0; kills < 2; kills++) {
      const isNext = (holder: Holder | undefined): boolean => (holder?.fencingToken ?? 0) > token;
      const holder = await untilHeldBy(role, isNext);
      const victim = candidates.find(({ pid }) => pid === holder?.pid);
      token = holder?.fencingToken ?? 0;
      const startedMs = performance.now();
      await victim?.kill("SIGKILL");
      await untilHeldBy(role, isNext);
      const tookMs = performance.now() - startedMs;
      assert.ok(victim !== undefined && tookMs < 2_000, `took ${tookMs} ms`);
    }
  } finally {
    await Promise.all(candidates.map((candidate) => candidate[Symbol.asyncDispose]()));
  }
});
