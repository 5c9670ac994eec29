import assert from "node:assert/strict";
import type { AcquireAnswer, AcquireRequest, LeaseRecord } from "../../src/databases/database.js";
import { LockModeError } from "../../src/errors.js";
import { waitUntil } from "../support/wait.js";
import type { Actor, ContractCases } from "./contract-stage.js";
import { release, renew } from "./lease-cases.js";
import { actors, holdersOf, sessionsOf } from "./modes-cases.js";
import { reassert, survivors } from "./reassert-cases.js";

type Answer = AcquireAnswer | { status: string };

const permits = (take = 1, limit = 3): Partial<AcquireRequest> => ({ mode: "permits", permits: { take, limit } });
const held = { status: "held" };

function isMisfit(answer: Answer, option: string): void {
  assert.ok("error" in answer, answer.status);
  assert.ok(answer.error instanceof LockModeError, answer.error.message);
  assert.equal(answer.error.option, option);
}

const unitsOf = async (actor: Actor): Promise<number[]> =>
  (await actor.leases.readHolders("key")).map(({ units }) => units).toSorted();

export const permitsCases: ContractCases = {
  "permits are given out up to the limit, without a token; who wants more than is left waits": async (stage) => {
    const [one, two, three] = await actors(stage, 3);
    assert.equal(await one.take("key", permits(2)), 0);
    assert.equal((await two.acquire("key", permits(2))).status, "held");
    assert.equal(await two.take("key", permits(1)), 0);
    assert.equal((await three.acquire("key", permits(1))).status, "held");
    assert.deepEqual(await unitsOf(three), [1, 2]);
    assert.equal((await one.leases.readHolders("key"))[0]?.mode, "permits");
    assert.deepEqual(await renew(one, "key", 0), held);
    await release(one, "key");
    assert.equal(await three.take("key", permits(2)), 0);
    assert.equal((await one.acquire("key", { ...permits(1), leaseNumber: 2 })).status, "held");
  },

  "one that waits for many permits is not starved by those who want few": async (stage) => {
    const [one, many, few] = await actors(stage, 3);
    await one.take("key", permits(1));
    assert.equal((await many.queue("key", permits(3))).status, "queued");
    assert.equal((await few.acquire("key", permits(1))).status, "held");
    assert.equal((await few.queue("key", permits(1))).status, "queued");
    await release(one, "key");
    assert.deepEqual(await holdersOf(one), sessionsOf(many));
    await release(many, "key");
    assert.deepEqual(await holdersOf(one), sessionsOf(few));
  },

  "permits that are given back go to as many as they are enough for, in order": async (stage) => {
    const [one, a, b, c, late] = await actors(stage, 5);
    await one.take("key", permits(3));
    const wishes = new Map([a, b, c, late].map((actor) => [actor, actor === c ? 2 : 1]));
    for (const [actor, take] of wishes) await actor.queue("key", permits(take));
    await release(one, "key");
    assert.deepEqual(await holdersOf(one), sessionsOf(a, b));
    assert.equal((await c.queue("key", permits(2))).status, "queued", "asking again does not help");
    await release(a, "key");
    assert.deepEqual(await holdersOf(one), sessionsOf(b, c));
    assert.equal((await release(late, "key")).status, "absent");
    await release(b, "key");
    assert.deepEqual(await holdersOf(one), sessionsOf(c));
  },

  "one that gives up its wait for many permits lets those in that want few": async (stage) => {
    const [one, many, few] = await actors(stage, 3);
    await one.take("key", permits(1));
    await many.queue("key", permits(3));
    await few.queue("key", permits(1));
    await release(many, "key");
    assert.deepEqual(await holdersOf(one), sessionsOf(one, few));
  },

  "another limit than that in use is refused, and so is another mode; nothing is written": async (stage) => {
    const [one, two] = await actors(stage, 2);
    await one.take("key", permits(1, 3));
    const before = await two.leases.readHolders("key");
    isMisfit(await two.acquire("key", permits(1, 4)), "permits.limit");
    isMisfit(await two.queue("key", permits(1, 2)), "permits.limit");
    isMisfit(await two.acquire("key"), "mode");
    isMisfit(await two.queue("key", { mode: "shared" }), "mode");
    isMisfit(await two.acquire("key", permits(4, 3)), "permits.take");
    assert.deepEqual(await two.leases.readHolders("key"), before);
    await release(one, "key");
    await two.take("key", permits(1, 4));
    await two.take("other");
    isMisfit(await one.acquire("other", permits()), "mode");
    await two.take("third", { mode: "shared" });
    isMisfit(await one.queue("third", permits()), "mode");
  },

  "who wants it in another mode is told who holds the key, and has it in place of the dead": async (stage) => {
    const [dead, living, other] = await actors(stage, 3);
    const isOf = (answer: Answer, holder: Actor): void => {
      isMisfit(answer, "mode");
      const { holders = [] } = answer as { holders?: readonly LeaseRecord[] };
      assert.deepEqual(holders.map(({ sessionId, mode }) => [sessionId, mode]).toSorted(), [
        [holder.sessionId, "permits"],
      ]);
    };
    await dead.take("key", permits(1));
    isOf(await other.acquire("key"), dead);
    isOf(await other.queue("key", { mode: "shared" }), dead);
    await living.take("key", permits(2));
    await dead.liveness.goodbye(dead.sessionId);
    const replace = [{ sessionId: dead.sessionId, fencingToken: 0 }];
    isOf(await other.acquire("key", { replace }), living);
    assert.deepEqual(await holdersOf(other), sessionsOf(living));
    await living.liveness.goodbye(living.sessionId);
    const next = [{ sessionId: living.sessionId, fencingToken: 0 }];
    assert.equal((await other.acquire("key", { replace: next })).status, "granted");
  },

  "who wants permits of a key that the dead hold in another mode, or by another limit, has them": async (stage) => {
    for (const how of [{}, { mode: "shared" }, permits(1, 7)] as const) {
      const [dead, other] = await actors(stage, 2);
      const fencingToken = await dead.take("one", how);
      const answer = await other.acquire("one", permits());
      assert.equal("holders" in answer && answer.holders?.[0]?.sessionId, dead.sessionId);
      await dead.liveness.goodbye(dead.sessionId);
      const replace = [{ sessionId: dead.sessionId, fencingToken }];
      assert.equal((await other.queue("one", { ...permits(), replace })).status, "granted");
      await release(other, "one");
    }
  },

  "the limit of those who wait counts as well, as long as one of them can be granted permits": async (stage) => {
    const [one, waiter, other] = await actors(stage, 3);
    await one.take("key", { ...permits(3, 3), lockTtlMs: 2_000 });
    assert.equal((await waiter.queue("key", permits(1, 3))).status, "queued");
    await waitUntil(() => holdersOf(one), [], { deadlineMs: 10_000, what: "who holds the key" });
    isMisfit(await other.acquire("key", permits(1, 5)), "permits.limit");
    isMisfit(await other.acquire("key"), "mode");
    waiter.leases.close();
    const limits = { deadlineMs: 10_000, what: "whether the new limit is accepted" };
    await waitUntil(async () => (await other.acquire("key", permits(1, 5))).status, "granted", limits);
  },

  "the permits of the dead are free again, those of the living are not": async (stage) => {
    const [dead, living, waiter] = await actors(stage, 3);
    await dead.take("key", permits(2));
    await living.take("key", permits(1));
    await waiter.queue("key", permits(2));
    await dead.liveness.goodbye(dead.sessionId);
    const replace = [{ sessionId: dead.sessionId, fencingToken: 0 }];
    assert.equal((await waiter.queue("key", { ...permits(2), replace })).status, "granted");
    assert.deepEqual(await holdersOf(living), sessionsOf(living, waiter));
    assert.equal((await renew(dead, "key", 0)).status, "condemned");
  },

  "permits that ran out are free again": async (stage) => {
    const [short, long, waiter] = await actors(stage, 3);
    await long.take("key", permits(1));
    await short.take("key", { ...permits(2), lockTtlMs: 2_000 });
    assert.equal((await waiter.queue("key", permits(2))).status, "queued");
    const limits = { deadlineMs: 10_000, what: "whether it is granted" };
    await waitUntil(async () => (await waiter.queue("key", permits(2))).status, "granted", limits);
    assert.deepEqual(await holdersOf(long), sessionsOf(long, waiter));
  },

  "after a loss permits are written again up to the limit, and under no other": async (stage) => {
    const [one, two, three] = (await survivors(stage, 3)) as [Actor, Actor, Actor];
    assert.deepEqual(await reassert(one, "key", 0, permits(2)), held);
    assert.deepEqual(await reassert(two, "key", 0, permits(1)), held);
    assert.deepEqual(await reassert(one, "key", 0, permits(2)), held, "also when asked again");
    assert.equal((await reassert(three, "key", 0, permits(1))).status, "lost");
    await release(two, "key");
    assert.equal((await reassert(three, "key", 0, permits(1, 4))).status, "lost");
    await stage.closeWindow(one);
    assert.equal((await three.acquire("key", permits(2))).status, "held");
    assert.equal(await three.take("key", permits(1)), 0);
  },
};
