// A master that sentinels watch, and what becomes of holders and waiters when it is replaced.

import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { newPrefix, openLocker, take } from "../support/lockers.js";
import { startSentinels, type SentinelGroup } from "../support/redis-sentinels.js";
import type { RedisServer } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";
import { Fleet } from "./fixtures/store-fleet.js";
import { assertAllGoOn, startRing } from "./fixtures/store-ring.js";

const deadlineMs = 30_000;
/** The package's own limits: with small ones a busy machine lets nobody run for longer than an answer is believed. */
const usual = { settings: {}, limits: { acquireTimeoutMs: deadlineMs } };

/** Holders, each with a contender, go on through a failover; and one that waits is served after it. */
async function assertSurvives(t: TestContext, fail: (group: SentinelGroup, master: RedisServer) => Promise<void>) {
  await using group = await startSentinels();
  await using fleet = await Fleet.start();
  const { url } = group;
  const setup = { url, ...usual };
  const ring = await startRing(fleet, [setup, setup, setup]);
  const [holder, waiter] = [ring[0]!.member, ring[1]!.member];
  const older = await holder.run("handed on");
  const waits = waiter.run("handed on");
  const atMs = performance.now();
  await fail(group, await group.master());
  const replacedMs = performance.now() - atMs;
  await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, deadlineMs)));
  const beatsMs = performance.now() - atMs;
  await holder.stop("handed on");
  assert.ok((await waits) > older, "the waiter's token is larger");
  const servedMs = performance.now() - atMs;
  await waiter.stop("handed on");
  await assertAllGoOn(fleet, ring, deadlineMs);
  const [replaced, beats, served] = [replacedMs, beatsMs, servedMs].map(Math.round);
  t.diagnostic(`replaced after ${replaced} ms, heartbeats after ${beats} ms, the waiter served after ${served} ms`);
}

describe("a failover by sentinels", () => {
  test("after the master's death costs no job and no session", (t) =>
    assertSurvives(t, async (group, master) => {
      await master.kill();
      await group.untilReplaced(master);
    }));

  // From silence nobody can tell whether it was cut off alone: what all know together tells (docs/adr/0015).
  test("away from a master that fell silent, and then goes on as one, costs no job and no session", (t) =>
    assertSurvives(t, async (group, master) => {
      await master.freeze();
      await group.untilReplaced(master);
      master.thaw();
    }));

  test("that an operator asks for, with every connection alive, costs no job and no session", (t) =>
    assertSurvives(t, async (group, master) => {
      await group.order();
      await group.untilReplaced(master);
    }));

  test("is not needed for locks while all sentinels are away", async () => {
    await using group = await startSentinels({ replicas: 1 });
    await using locker = openLocker(group.source, newPrefix());
    const lease = await take(locker, "key");
    for (const sentinel of group.sentinels) await sentinel.kill();
    await lease.heartbeat.delay(1_000); // waits: for several pings
    await lease.release();
    await (await take(locker, "key")).release();
  });
});

test("a demoted master that clients still reach is left by them as soon as it refuses", async () => {
  await using group = await startSentinels({ replicas: 1 });
  await using locker = openLocker(group.source, newPrefix());
  await (await take(locker, "warm")).release();
  const master = await group.master();
  for (const sentinel of group.sentinels) await sentinel.kill(); // nobody tells, and nobody is asked anew
  const [replica] = group.replicas(master) as [RedisServer];
  await master.client().call("REPLICAOF", "127.0.0.1", replica.port);
  const acquired = locker.acquire("key", {}).then(
    () => "granted",
    (error: { code: string }) => error.code,
  );
  await waitUntil(() => acquired, "unreachable", { deadlineMs, what: "what the acquire came to" });
});
