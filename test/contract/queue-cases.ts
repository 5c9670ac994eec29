import assert from "node:assert/strict";
import type { AcquireAnswer, AcquireRequest } from "../../src/databases/database.js";
import { waitUntil } from "../support/wait.js";
import { RECOVERY_MS, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";
import { release } from "./lease-cases.js";

type Answer = AcquireAnswer | { status: string };

/** One that holds the key, and others that have queued for it, in that order. */
async function line(stage: ContractStage, waiters: number): Promise<[holder: Actor, ...waiters: Actor[]]> {
  const holder = await stage.begun();
  await holder.take("key");
  const queued = await Promise.all(Array.from({ length: waiters }, () => stage.begun()));
  for (const actor of queued) assert.equal((await actor.queue("key")).status, "queued");
  return [holder, ...queued];
}

const holderOf = async (actor: Actor): Promise<string | undefined> => (await actor.readLease("key"))?.sessionId;

const isFirst = (answer: Answer): boolean | undefined => ("isFirst" in answer ? answer.isFirst : undefined);

const untilFirst = (actor: Actor) => {
  const limits = { deadlineMs: 10_000, what: "whether nobody is before it" };
  return waitUntil(async () => isFirst(await actor.queue("key")), true, limits);
};

async function enterAgain(actor: Actor): Promise<void> {
  const { era } = await actor.ping();
  await actor.begin({ mode: "trusted", era });
}

const told = (actor: Actor, count = 1) =>
  waitUntil(() => actor.told.length, count, { deadlineMs: 10_000, what: "the number of grants it was told of" });

const leave = (actor: Actor) => release(actor, "key");

export const queueCases: ContractCases = {
  "a key that is given back goes to the first that waits, in the same step, and it is told": async (stage) => {
    const [holder, first, second] = await line(stage, 2);
    const before = (await holder.readLease("key"))!.fencingToken;
    assert.deepEqual(await release(holder, "key"), { status: "released" });
    const lease = (await holder.readLease("key"))!;
    assert.equal(lease.sessionId, first!.sessionId);
    assert.ok(lease.fencingToken > before);
    await told(first!);
    const { fencingToken, acquiredAtMs, era, sessionId } = lease;
    const push = { leaseNumber: 1, fencingToken, lastToken: fencingToken, acquiredAtMs, era, sessionId };
    assert.deepEqual(first!.told, [{ kind: "granted", ...push }]);
    await told(second!);
    assert.deepEqual(second!.told, [{ kind: "first", leaseNumber: 1 }]);
  },

  "who becomes the first is told so before the grant that makes it the first is told": async (stage) => {
    const holder = await stage.begun();
    await holder.take("key");
    const waiter = await stage.begun();
    await waiter.queue("key");
    await waiter.queue("key", { leaseNumber: 2 });
    await release(holder, "key");
    await told(waiter, 2); // both on one connection, which keeps the order
    assert.deepEqual(
      waiter.told.map(({ kind }) => kind),
      ["first", "granted"],
    );
  },

  "waiters are served in the order in which they came": async (stage) => {
    const [holder, ...waiters] = await line(stage, 4);
    await release(holder, "key");
    for (const waiter of waiters) {
      assert.equal(await holderOf(holder), waiter.sessionId);
      assert.deepEqual(await release(waiter, "key"), { status: "released" });
    }
    assert.equal(await holderOf(holder), undefined);
  },

  "who comes to be the first is told so, by a hand-off and by a leave": async (stage) => {
    const [holder, first, second, third] = await line(stage, 3);
    await release(holder, "key");
    const isFirst = { kind: "first", leaseNumber: 1 } as const;
    await told(second!);
    assert.deepEqual(second!.told, [isFirst]);
    await leave(second!);
    await told(third!);
    assert.deepEqual(third!.told, [isFirst]);
    await told(first!); // of its grant alone
  },

  "who asks again keeps its place, and is told whether anybody is before it": async (stage) => {
    const [holder, first, second] = await line(stage, 2);
    for (let i = 0; i < 3; i++) assert.equal(isFirst(await second!.queue("key")), false);
    assert.equal(isFirst(await first!.queue("key")), true);
    await release(holder, "key");
    assert.equal(await holderOf(holder), first!.sessionId);
    assert.equal(isFirst(await second!.queue("key")), true);
  },

  "a waiter that was not told of its grant finds it when it asks again": async (stage) => {
    const [holder, waiter] = await line(stage, 1);
    await release(holder, "key");
    const { fencingToken } = (await holder.readLease("key"))!;
    const answer = await waiter!.queue("key");
    assert.deepEqual([answer.status, "fencingToken" in answer && answer.fencingToken], ["granted", fencingToken]);
  },

  "a key whose lease has run out goes to the first that waits, whoever asks for it": async (stage) => {
    const [holder, waiter, other] = [await stage.begun(), await stage.begun(), await stage.begun()];
    await holder.take("key", { lockTtlMs: 500 }); // long enough for the waiter to come first
    await waiter.queue("key");
    await waitUntil(() => holder.readLease("key"), undefined, { deadlineMs: 10_000, what: "the lease" });
    assert.equal((await other.acquire("key")).status, "held");
    assert.equal(await holderOf(other), waiter.sessionId);
    await told(waiter);
  },

  "a waiter that leaves is passed over; one that had just been granted the key passes it on": async (stage) => {
    const [holder, first, second, third] = await line(stage, 3);
    assert.deepEqual(await leave(first!), { status: "other", lease: await holder.readLease("key") });
    await release(holder, "key");
    assert.equal(await holderOf(holder), second!.sessionId);
    assert.deepEqual(await leave(second!), { status: "released" });
    assert.equal(await holderOf(holder), third!.sessionId);
    assert.equal((await release(second!, "key")).status, "other", "a second leave takes nothing away");
    assert.equal(await holderOf(holder), third!.sessionId);
  },

  "a waiter whose main thread is no longer connected is passed over at once": async (stage) => {
    const [holder, first, second] = await line(stage, 2);
    first!.leases.close();
    await untilFirst(second!);
    await release(holder, "key");
    assert.equal(await holderOf(holder), second!.sessionId);
  },

  "a waiter that has not asked for too long is passed over, and keeps its place": async (stage) => {
    const [holder, other] = [await stage.begun(), await stage.begun()];
    const [slow, quick] = [await stage.begun(), await stage.begun()];
    await holder.take("key");
    await slow.queue("key", { wait: { fitForMs: 1, dead: [] } });
    await quick.queue("key");
    await untilFirst(quick);
    const answer = await quick.queue("key");
    const unfit = [{ leaseId: `${slow.lockerId}#1`, sessionId: slow.sessionId }];
    assert.deepEqual("unfit" in answer && answer.unfit, unfit);
    await slow.queue("key");
    assert.equal(isFirst(await quick.queue("key")), false, "it asked again");
    await release(holder, "key");
    assert.equal(await holderOf(other), slow.sessionId);
  },

  "when all that wait are dead the key is free for the next that asks": async (stage) => {
    const [holder, other] = [await stage.begun(), await stage.begun()];
    await holder.take("key");
    await other.queue("key", { wait: { fitForMs: 1, dead: [] } });
    const marker = await stage.begun();
    await untilFirst(marker);
    await leave(marker);
    await release(holder, "key");
    assert.equal(await holderOf(other), undefined);
    assert.ok((await marker.take("key", { leaseNumber: 2 })) > 0);
  },

  "a waiter that is named dead loses its place, one that queues under another session since does not": async (
    stage,
  ) => {
    const [holder, first, second, third] = await line(stage, 3);
    const named = (actor: Actor, sessionId = actor.sessionId) => ({ leaseId: `${actor.lockerId}#1`, sessionId });
    await third!.queue("key", { wait: { fitForMs: 60_000, dead: [named(first!), named(second!, "another.2")] } });
    await release(holder, "key");
    assert.equal(await holderOf(holder), second!.sessionId);
    await release(second!, "key");
    assert.equal(await holderOf(holder), third!.sessionId);
    await release(third!, "key");
    assert.equal(await holderOf(holder), undefined, "nor does anybody else wait");
  },

  "a dead holder's key goes to the first that waits, whoever takes it from there": async (stage) => {
    const [holder, first, second] = await line(stage, 2);
    const replace = { sessionId: holder.sessionId, fencingToken: (await holder.readLease("key"))!.fencingToken };
    const fresh = await stage.begun();
    assert.equal((await fresh.acquire("key", { replace: [replace] })).status, "held");
    assert.equal(await holderOf(fresh), first!.sessionId);
    await told(first!);
    await release(first!, "key");
    assert.equal(await holderOf(fresh), second!.sessionId);
  },

  "a waiter asks again under its next session, in its old place": async (stage) => {
    const [holder, first, second] = await line(stage, 2);
    const { lockerId } = first!;
    const next = await stage.begun({ lockerId, number: 2 });
    assert.equal(isFirst(await next.queue("key")), true);
    assert.equal(isFirst(await second!.queue("key")), false);
    await release(holder, "key");
    assert.equal(await holderOf(holder), next.sessionId);
  },

  "nobody's place outlives its era": async (stage) => {
    const [holder, waiter] = await line(stage, 1);
    await stage.store.interrupt();
    assert.deepEqual(await release(holder, "key"), { status: "released" });
    for (const actor of [holder, waiter!]) await enterAgain(actor);
    await stage.closeWindow(holder);
    await holder.take("key", { leaseNumber: 2 });
    await release(holder, "key", 2);
    assert.equal(await holderOf(holder), undefined);
    await waiter!.take("key");
  },

  "nothing is handed on while the recovery window is open; who asks after it is granted the key": async (stage) => {
    const [holder, waiter] = await line(stage, 1);
    const { fencingToken } = (await holder.readLease("key"))!;
    await stage.store.interrupt();
    for (const actor of [holder, waiter!]) await enterAgain(actor);
    const was = { acquiredAtMs: 1, trace: "", lastToken: fencingToken, mode: "exclusive" as const };
    const held = { key: "key", leaseNumber: 1, fencingToken, lockTtlMs: 60_000, ...was };
    await holder.leases.reassert(holder.identity, [held]);
    assert.equal((await waiter!.queue("key", { leaseNumber: 2 })).status, "queued");
    assert.deepEqual(await release(holder, "key"), { status: "released" });
    assert.equal(await holderOf(holder), undefined);
    assert.deepEqual(await waiter!.queue("key", { leaseNumber: 2 }), { status: "recovering" });
    await stage.closeWindow(holder);
    assert.equal((await waiter!.queue("key", { leaseNumber: 2 })).status, "granted");
  },

  "a block of tokens is granted at once, and what is granted after it is larger than its end": async (stage) => {
    const actor = await stage.begun();
    const tokensOf = (answer: Answer): number[] =>
      "lastToken" in answer ? [answer.fencingToken, answer.lastToken] : assert.fail(answer.status);
    const wish: Partial<AcquireRequest> = { tokens: 30_000_000 }; // 30 s of the store's clock, which no test outruns
    const [from, to] = tokensOf(await actor.acquire("key", wish));
    assert.equal(to! - from!, 29_999_999);
    const waiter = await stage.begun();
    await waiter.queue("key", wish);
    await release(actor, "key");
    await told(waiter, 1);
    const handed = waiter.told[0];
    assert.ok(handed?.kind === "granted" && handed.fencingToken > to!, `not above ${to}`);
    assert.equal(handed.lastToken - handed.fencingToken, 29_999_999);
    await release(waiter, "key");
    const [next] = tokensOf(await actor.acquire("key", { leaseNumber: 2 }));
    assert.ok(next! > handed.lastToken, `${next} is not above ${handed.lastToken}`);
    const [again, end] = tokensOf(await actor.acquire("key", { leaseNumber: 2 }));
    assert.deepEqual([again, end], [next, next], "asked again, its end is not known any more");
    const [huge, least] = tokensOf(await actor.acquire("other", { leaseNumber: 3, tokens: 1e12 }));
    assert.ok(least! - huge! <= RECOVERY_MS * 100, "a tenth of the recovery window ahead of the store's clock");
  },
};
