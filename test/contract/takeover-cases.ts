import assert from "node:assert/strict";
import type { LeaseAnswer } from "../../src/databases/database.js";
import { first, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";
import { release, renew, type Refused } from "./lease-cases.js";

/** One element, in a batch of its own. */
export async function reown(
  actor: Actor,
  key: string,
  fencingToken: number,
  leaseNumber = 1,
): Promise<LeaseAnswer | Refused> {
  const request = { key, leaseNumber, fencingToken, lockTtlMs: 60_000 };
  const result = await actor.leases.reown(actor.identity, [request]);
  return result.status === "ok" ? first(result.answers) : { status: result.status };
}

/** A locker whose first session held "key" and is dead, and whose second one lives. */
async function successor(stage: ContractStage) {
  const old = await stage.begun({ lockerId: "locker", number: 1 });
  const token = await old.take("key", { trace: "t" });
  await old.liveness.goodbye(old.sessionId);
  const next = await stage.begun({ lockerId: "locker", number: 2 });
  return { old, next, token };
}

export const takeoverCases: ContractCases = {
  "a key is taken from a dead session by naming it and its token, under a larger token": async (stage) => {
    const [victim, contender] = [await stage.begun(), await stage.begun()];
    const token = await victim.take("key");
    await victim.liveness.goodbye(victim.sessionId);
    assert.equal((await contender.acquire("key")).status, "held", "nothing is taken without naming it");
    const taken = await contender.take("key", { replace: [{ sessionId: victim.sessionId, fencingToken: token }] });
    assert.ok(taken > token);
    assert.equal((await contender.readLease("key"))?.sessionId, contender.sessionId);
  },

  "a takeover compares session and token: on either alone somebody else would be robbed": async (stage) => {
    const [holder, contender] = [await stage.begun(), await stage.begun()];
    const token = await holder.take("key");
    const lease = await holder.readLease("key");
    for (const replace of [
      { sessionId: holder.sessionId, fencingToken: token - 1 },
      { sessionId: holder.sessionId, fencingToken: token + 1 },
      { sessionId: `${holder.sessionId}0`, fencingToken: token },
      { sessionId: "", fencingToken: token },
    ]) {
      assert.deepEqual(await contender.acquire("key", { replace: [replace] }), { status: "held", holders: [lease] });
    }
    assert.deepEqual(await renew(holder, "key", token), { status: "held" });
  },

  "of two that take the same key only the first succeeds": async (stage) => {
    const [victim, one, two] = [await stage.begun(), await stage.begun(), await stage.begun()];
    const replace = { sessionId: victim.sessionId, fencingToken: await victim.take("key") };
    await victim.liveness.goodbye(victim.sessionId);
    const taken = await one.take("key", { replace: [replace] });
    const answer = await two.acquire("key", { replace: [replace] });
    assert.ok("holders" in answer);
    assert.equal(answer.holders[0]?.fencingToken, taken);
  },

  "a takeover whose key was given back in between is a grant": async (stage) => {
    const [victim, contender] = [await stage.begun(), await stage.begun()];
    const replace = { sessionId: victim.sessionId, fencingToken: await victim.take("key") };
    await release(victim, "key");
    assert.ok((await contender.take("key", { replace: [replace] })) > replace.fencingToken);
  },

  "a locker's next session owns again what nobody has taken, under the same token": async (stage) => {
    const { next, token } = await successor(stage);
    const before = await next.readLease("key");
    assert.deepEqual(await reown(next, "key", token), { status: "held" });
    assert.deepEqual(await next.readLease("key"), before && { ...before, sessionId: next.sessionId });
    assert.deepEqual(await reown(next, "key", token), { status: "held" }, "asked again, it is so already");
    assert.deepEqual(await renew(next, "key", token), { status: "held" });
  },

  "what was taken, or is another lease, is not owned again": async (stage) => {
    const { old, next, token } = await successor(stage);
    const lease = await next.readLease("key");
    const lost = { status: "lost", lease };
    assert.deepEqual(await reown(next, "key", token - 1), lost);
    assert.deepEqual(await reown(next, "key", token, 2), lost);
    const thief = await stage.begun();
    await thief.take("key", { replace: [{ sessionId: old.sessionId, fencingToken: token }] });
    const taken = await next.readLease("key");
    assert.deepEqual(await reown(next, "key", token), { status: "lost", lease: taken });
    await release(thief, "key");
    assert.deepEqual(await reown(next, "key", token), { status: "lost", lease: undefined });
  },

  "a condemned session owns nothing again": async (stage) => {
    const { next, token } = await successor(stage);
    await next.liveness.goodbye(next.sessionId);
    assert.deepEqual(await reown(next, "key", token), { status: "condemned" });
  },

  "an acquire asked for again by the next session gets its lease, from then on that session's": async (stage) => {
    const { old, next, token } = await successor(stage);
    assert.equal(await next.take("key"), token);
    assert.equal((await next.readLease("key"))?.sessionId, next.sessionId);
    const thief = await stage.begun();
    const replace = { sessionId: old.sessionId, fencingToken: token };
    assert.equal(
      (await thief.acquire("key", { replace: [replace] })).status,
      "held",
      "else anyone might take it at once",
    );
  },

  "another locker's lease of the same number is not taken for one's own": async (stage) => {
    const [short, long] = [await stage.begun({ lockerId: "a" }), await stage.begun({ lockerId: "ab" })];
    for (const [holder, other] of [
      [short, long],
      [long, short],
    ] as const) {
      const token = await holder.take(holder.lockerId);
      assert.equal((await other.acquire(holder.lockerId)).status, "held");
      assert.equal((await release(other, holder.lockerId)).status, "other");
      assert.deepEqual(await renew(holder, holder.lockerId, token), { status: "held" });
    }
  },
};
