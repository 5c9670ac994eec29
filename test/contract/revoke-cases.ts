import assert from "node:assert/strict";
import type { RevokeAnswer } from "../../src/databases/database.js";
import { waitUntil } from "../support/wait.js";
import { limits, SAFE_MS, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";
import { release, renew } from "./lease-cases.js";
import { actors, holdersOf, sessionsOf } from "./modes-cases.js";

const told = { deadlineMs: 10_000, what: "what its main thread was told" };

/** Of whoever holds the key. */
async function revoke(actor: Actor, holder: Actor, force = false): Promise<RevokeAnswer> {
  const holders = await actor.leases.readHolders("key");
  const { key, sessionId, leaseNumber, fencingToken } = holders.find((one) => one.sessionId === holder.sessionId)!;
  return actor.leases.revoke(actor.identity, { key, sessionId, leaseNumber, fencingToken, force });
}

async function mark(actor: Actor, holder: Actor): Promise<{ markedAtMs: number; steadyMs: number }> {
  const answer = await revoke(actor, holder, true);
  assert.ok(answer.status === "marked", answer.status);
  const { markedAtMs, steadyMs } = answer;
  return { markedAtMs, steadyMs };
}

/** As when so much time had passed since the mark, in which the actor was served. */
const age = (stage: ContractStage, actor: Actor, ms: number): Promise<void> =>
  stage.store.age(actor.sessionId, { steadyMs: ms });

export const revokeCases: ContractCases = {
  "who is asked to give a key back is told by its channel, and keeps the key until it does": async (stage) => {
    const [holder, actor] = await actors(stage, 2);
    await holder.take("key");
    assert.deepEqual(await revoke(actor, holder), { status: "asked", isHeard: true });
    const fencingToken = (await holder.readLease("key"))!.fencingToken;
    await waitUntil(() => holder.told, [{ kind: "revoked", leaseNumber: 1, fencingToken }], told);
    assert.deepEqual(await renew(holder, "key", fencingToken), { status: "held" });
    assert.equal((await actor.acquire("key")).status, "held");
    await release(holder, "key");
    await actor.take("key");
  },

  "a lease that is not held, or by another, is not revoked": async (stage) => {
    const [holder, actor] = await actors(stage, 2);
    const fencingToken = await holder.take("key");
    const request = { key: "key", sessionId: holder.sessionId, leaseNumber: 1, fencingToken, force: true };
    for (const wrong of [
      { fencingToken: 5 },
      { leaseNumber: 2 },
      { sessionId: `${holder.lockerId}.2` },
      { key: "x" },
    ]) {
      assert.deepEqual(await actor.leases.revoke(actor.identity, { ...request, ...wrong }), { status: "absent" });
    }
    assert.deepEqual(await renew(holder, "key", fencingToken), { status: "held" });
    assert.equal((await holder.ping()).lostCounter, 0);
  },

  "a share that was revoked by force is not granted again under its mark, nor counted twice": async (stage) => {
    const [reader, actor] = await actors(stage, 2);
    const shared = { mode: "shared" } as const;
    const token = await reader.take("key", shared);
    await mark(actor, reader);
    assert.equal((await reader.acquire("key", shared)).status, "held");
    assert.equal((await reader.queue("key", shared)).status, "queued");
    assert.equal((await actor.acquire("key", { ...shared, leaseNumber: 2 })).status, "held");
    await release(reader, "key");
    await release(actor, "key");
    assert.deepEqual(await holdersOf(actor), []);
    assert.ok((await actor.take("key", { ...shared, leaseNumber: 3 })) > token);
  },

  "by force the holder has lost the key at once, and its next ping says so; nobody is granted it yet": async (
    stage,
  ) => {
    const [holder, actor] = await actors(stage, 2);
    const fencingToken = await holder.take("key", { trace: "t" });
    const before = await actor.readLease("key");
    const { markedAtMs, steadyMs } = await mark(actor, holder);
    assert.equal(steadyMs, limits.disconnectGraceMs);
    assert.equal((await holder.ping()).lostCounter, 1);
    assert.deepEqual(await renew(holder, "key", fencingToken), { status: "lost", lease: undefined });
    assert.deepEqual(await actor.readLease("key"), before, "the key still names it");
    const replace = [{ sessionId: holder.sessionId, fencingToken, markedAtMs }];
    assert.equal((await actor.acquire("key", { replace })).status, "held");
    assert.deepEqual(await mark(actor, holder), { markedAtMs, steadyMs }, "marked again, it is that mark");
    assert.equal((await holder.acquire("key")).status, "held", "nor does it get its own lease back");
  },

  "by force the key goes to whoever names the mark and has been steady for long enough since": async (stage) => {
    const [holder, actor, other] = await actors(stage, 3);
    const fencingToken = await holder.take("key");
    await age(stage, actor, limits.disconnectGraceMs + SAFE_MS);
    const { markedAtMs } = await mark(actor, holder);
    const take = (contender: Actor, at: number): Promise<{ status: string }> => {
      const replace = [{ sessionId: holder.sessionId, fencingToken, markedAtMs: at }];
      return contender.acquire("key", { replace });
    };
    assert.equal((await take(actor, markedAtMs)).status, "held", "it was steady, but not since the mark");
    const past = await stage.store.ageMark("key", limits.disconnectGraceMs + SAFE_MS);
    assert.equal((await take(actor, markedAtMs)).status, "held", "another mark");
    assert.equal((await take(other, past)).status, "held", "one that was not steady");
    assert.equal((await take(actor, past)).status, "granted");
    assert.ok((await actor.readLease("key"))!.fencingToken > fencingToken);
  },

  "a holder that is revoked by force may still give the key back, to whoever waits": async (stage) => {
    const [holder, actor] = await actors(stage, 2);
    await holder.take("key");
    await actor.queue("key");
    await mark(actor, holder);
    assert.deepEqual(await release(holder, "key"), { status: "released" });
    assert.deepEqual(await holdersOf(actor), sessionsOf(actor));
  },

  "of a dead holder's lease the mark is enough, and it may be replaced as any": async (stage) => {
    const [holder, actor] = await actors(stage, 2);
    const fencingToken = await holder.take("key");
    await holder.liveness.goodbye(holder.sessionId);
    assert.equal((await mark(actor, holder)).steadyMs, 0);
    const replace = [{ sessionId: holder.sessionId, fencingToken }];
    assert.equal((await actor.acquire("key", { replace })).status, "granted");
  },

  "one of those who share a key is revoked, the others are not": async (stage) => {
    const [one, two, writer] = await actors(stage, 3);
    const token = await one.take("key", { mode: "shared" });
    await two.take("key", { mode: "shared" });
    await mark(writer, one);
    assert.equal((await renew(one, "key", token)).status, "lost");
    assert.deepEqual(await renew(two, "key", token), { status: "held" });
    assert.equal((await one.ping()).lostCounter, 1);
    assert.equal((await two.ping()).lostCounter, 0);
    await release(one, "key");
    assert.deepEqual(await holdersOf(writer), sessionsOf(two));
  },

  "a condemned session revokes nothing": async (stage) => {
    const [holder, actor] = await actors(stage, 2);
    await holder.take("key");
    await actor.liveness.goodbye(actor.sessionId);
    assert.deepEqual(await revoke(actor, holder, true), { status: "condemned" });
  },

  "what a task waits for is told with who holds that key, until it is said that it no longer waits": async (stage) => {
    const [one, two, other] = await actors(stage, 3);
    await one.take("held");
    await two.take("key", { trace: "t" });
    const answer = await one.queue("key", { leaseNumber: 2 });
    assert.ok("ticket" in answer);
    const { ticket } = answer;
    const [leaseId, waiter] = [`${one.lockerId}#1`, `${one.lockerId}#2`];
    assert.equal(await other.leases.readWaiting(leaseId), undefined);
    await one.leases.markBlocked({ leaseIds: [leaseId, `${one.lockerId}#7`], waits: { key: "key", waiter, ticket } });
    const holders = await two.leases.readHolders("key");
    const waits = { key: "key", waiter, ticket, holders };
    assert.deepEqual(await other.leases.readWaiting(leaseId), { ...waits, isQueued: true });
    await one.leases.markBlocked({ leaseIds: [`${one.lockerId}#7`], waits: { key: "key", waiter, ticket: 5 } });
    assert.deepEqual(await other.leases.readWaiting(`${one.lockerId}#7`), { ...waits, ticket: 5, isQueued: false });
    await release(one, "key", 2);
    assert.deepEqual(await other.leases.readWaiting(leaseId), { ...waits, isQueued: false });
    await one.leases.markBlocked({ leaseIds: [leaseId], waits: undefined });
    assert.equal(await other.leases.readWaiting(leaseId), undefined);
  },

  "a waiter is told that it closes a circle": async (stage) => {
    const [holder, waiter] = await actors(stage, 2);
    await holder.take("key");
    await waiter.queue("key", { leaseNumber: 7 });
    await holder.leases.tellDeadlock(`${waiter.lockerId}#7`);
    await waitUntil(() => waiter.told, [{ kind: "deadlock", leaseNumber: 7 }], told);
  },
};
