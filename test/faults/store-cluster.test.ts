// A cluster of three masters and three replicas, and what becomes of holders and waiters when a slot changes hands.

import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { startCluster, type RedisCluster } from "../support/redis-cluster.js";
import { fastSettings } from "../support/lockers.js";
import { Fleet, type MemberSetup } from "./fixtures/store-fleet.js";
import { assertAllGoOn, startRing } from "./fixtures/store-ring.js";

const deadlineMs = 30_000;
/** In the slot of the first shard, where all keys are if there is no other. */
const tag = "{0}";

type Setting = Pick<MemberSetup, "settings" | "limits">;
const fast: Setting = { settings: { ...fastSettings, shards: 1 } };
/** The limits that are promised something where nothing answers: what hangs has time to find its way elsewhere. */
const usual: Setting = { settings: { shards: 1 }, limits: { acquireTimeoutMs: deadlineMs } };

/** Holders, each with a contender, go on through it; and one that waits meanwhile is served. */
async function assertSurvives(t: TestContext, setting: Setting, disturb: (cluster: RedisCluster) => Promise<void>) {
  await using cluster = await startCluster();
  await using fleet = await Fleet.start();
  const setup = { url: cluster.url, ...setting };
  const ring = await startRing(fleet, [setup, setup, setup]);
  const [holder, waiter] = [ring[0]!.member, ring[1]!.member];
  const older = await holder.run("handed on");
  const waits = waiter.run("handed on");
  const atMs = performance.now();
  await disturb(cluster);
  const doneMs = performance.now() - atMs;
  await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, deadlineMs)));
  const beatsMs = performance.now() - atMs;
  await holder.stop("handed on");
  assert.ok((await waits) > older, "the waiter's token is larger");
  const servedMs = performance.now() - atMs;
  await waiter.stop("handed on");
  await assertAllGoOn(fleet, ring, deadlineMs);
  const [done, beats, served] = [doneMs, beatsMs, servedMs].map(Math.round);
  t.diagnostic(`over after ${done} ms, heartbeats after ${beats} ms, the waiter served after ${served} ms`);
}

describe("in a cluster", () => {
  test("the death of the slot's master costs no job and no session", (t) =>
    assertSurvives(t, fast, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await owner.kill();
      await cluster.untilReplaced(tag, owner);
    }));

  test("the death of a master of one of four shards costs no job and no session", (t) =>
    assertSurvives(t, { settings: { ...fastSettings, shards: 4 } }, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await owner.kill();
      await cluster.untilReplaced(tag, owner);
    }));

  test("a failover that an operator asks for costs no job and no session", (t) =>
    assertSurvives(t, fast, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await cluster.order(owner);
      await cluster.untilReplaced(tag, owner);
    }));

  test("the move of the slot to another node, key by key, costs no job and no session", (t) =>
    assertSurvives(t, fast, (cluster) => cluster.moveSlot(tag)));

  test("a move that stops half way for longer than a session may be silent costs no job and no session", (t) =>
    assertSurvives(t, fast, (cluster) =>
      cluster.moveSlot(tag, {
        half: () => new Promise((resolve) => setTimeout(resolve, 3_000)), // waits: 1.5 session TTLs: all are stuck
      }),
    ));

  test("a master that restarts without its data before it is replaced costs no job and no session", (t) =>
    assertSurvives(t, fast, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await owner.kill();
      await owner.restart({ keepData: false });
      await cluster.untilWhole();
      assert.equal(await cluster.ownerOf(tag), owner, "nobody had time to replace it");
    }));

  // From silence nobody can tell whether it was cut off alone: what all know together tells (docs/adr/0015).
  test("a master that falls silent until it was replaced, and then goes on, costs no job and no session", (t) =>
    assertSurvives(t, usual, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await cluster.freeze(owner);
      await cluster.untilReplaced(tag, owner);
      cluster.thaw(owner);
    }));

  test("a master that falls silent and stays so costs no job and no session", (t) =>
    assertSurvives(t, usual, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await cluster.freeze(owner);
      await cluster.untilReplaced(tag, owner);
    }));

  test("the death of a master that has no part in the namespace is not noticed", (t) =>
    assertSurvives(t, fast, async (cluster) => {
      const owner = await cluster.ownerOf(tag);
      await (await cluster.otherMaster(owner)).kill();
    }));
});
