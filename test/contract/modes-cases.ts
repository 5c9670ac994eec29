import assert from "node:assert/strict";
import type { AcquireAnswer, AcquireRequest, LeaseMode } from "../../src/databases/database.js";
import { waitUntil } from "../support/wait.js";
import type { Actor, ContractCases, ContractStage } from "./contract-stage.js";
import { release, renew } from "./lease-cases.js";
import { reassert, survivors } from "./reassert-cases.js";
import { reown } from "./takeover-cases.js";

type Answer = AcquireAnswer | { status: string };

const shared: Partial<AcquireRequest> = { mode: "shared" };
const held = { status: "held" };

export async function actors(stage: ContractStage, count: number): Promise<[Actor, Actor, Actor, Actor, Actor]> {
  const all: Actor[] = [];
  for (let i = 0; i < count; i++) all.push(await stage.begun());
  return all as [Actor, Actor, Actor, Actor, Actor];
}

/** The sessions that hold the key, each once, sorted. */
export async function holdersOf(actor: Actor, key = "key"): Promise<string[]> {
  return [...new Set((await actor.leases.readHolders(key)).map(({ sessionId }) => sessionId))].toSorted();
}

export const sessionsOf = (...some: Actor[]): string[] => some.map(({ sessionId }) => sessionId).toSorted();

const isFirst = (answer: Answer): boolean | undefined => ("isFirst" in answer ? answer.isFirst : undefined);

/** Each queues in its mode, in this order. */
async function line(waiters: readonly (readonly [Actor, LeaseMode])[]): Promise<void> {
  for (const [actor, mode] of waiters) assert.equal((await actor.queue("key", { mode })).status, "queued");
}

export const modesCases: ContractCases = {
  "shared leases hold a key together, under one token; an exclusive one waits for all of them": async (stage) => {
    const [one, two, writer] = await actors(stage, 3);
    const token = await one.take("key", { ...shared, trace: "why\n" });
    assert.equal(await two.take("key", shared), token);
    const leases = await writer.leases.readHolders("key");
    assert.deepEqual(await holdersOf(writer), sessionsOf(one, two));
    const mine = leases.find(({ sessionId }) => sessionId === one.sessionId);
    assert.ok(mine);
    const { acquiredAtMs, ...facts } = mine;
    assert.ok(acquiredAtMs > 0);
    const { sessionId, era } = one;
    const expected = { key: "key", sessionId, leaseNumber: 1, fencingToken: token, era, trace: "why\n" };
    assert.deepEqual(facts, { ...expected, mode: "shared", units: 1, isKept: false });
    const answer = await writer.acquire("key");
    assert.deepEqual("holders" in answer && answer.holders.length, 2);
    await release(one, "key");
    assert.equal((await writer.acquire("key")).status, "held");
    await release(two, "key");
    assert.ok((await writer.take("key")) > token);
    assert.equal((await one.acquire("key", shared)).status, "held");
  },

  "a shared period that follows another has a larger token, and so has what follows that": async (stage) => {
    const [one, two] = await actors(stage, 2);
    const tokens = [await one.take("key", shared)];
    await release(one, "key");
    tokens.push(await two.take("key", shared));
    await release(two, "key");
    tokens.push(await one.take("key", { leaseNumber: 2 }));
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(tokens).size, 3);
  },

  "a shared lease that is asked for again is found, and held by nobody twice": async (stage) => {
    const [one, two] = await actors(stage, 2);
    const answer = await one.acquire("key", shared);
    assert.deepEqual(await one.acquire("key", shared), answer);
    await two.take("key", shared);
    assert.deepEqual(await release(one, "key"), { status: "released" });
    assert.deepEqual(await release(one, "key"), { status: "absent" });
    assert.deepEqual(await holdersOf(one), sessionsOf(two));
  },

  "nobody that comes to share a key passes a writer that waits": async (stage) => {
    const [reader, writer, late] = await actors(stage, 3);
    await reader.take("key", shared);
    await line([[writer, "exclusive"]]);
    assert.equal((await late.acquire("key", shared)).status, "held");
    await line([[late, "shared"]]);
    await release(reader, "key");
    assert.deepEqual(await holdersOf(reader), sessionsOf(writer));
    await release(writer, "key");
    assert.deepEqual(await holdersOf(reader), sessionsOf(late));
  },

  "what is given back goes to all that can hold it together, up to the first that cannot": async (stage) => {
    const [holder, one, two, writer, late] = await actors(stage, 5);
    const before = await holder.take("key");
    await line([
      [one, "shared"],
      [two, "shared"],
      [writer, "exclusive"],
      [late, "shared"],
    ]);
    await release(holder, "key");
    assert.deepEqual(await holdersOf(holder), sessionsOf(one, two));
    const limits = { deadlineMs: 10_000, what: "the number of grants it was told of" };
    for (const reader of [one, two]) await waitUntil(() => reader.told.length, 1, limits);
    const tokens = [one, two].map(({ told }) => (told[0]?.kind === "granted" ? told[0].fencingToken : 0));
    assert.equal(tokens[0], tokens[1]);
    assert.ok(tokens[0]! > before);
    assert.equal(isFirst(await writer.queue("key")), true);
    assert.equal(isFirst(await late.queue("key", shared)), false);
    assert.equal((await one.queue("key", shared)).status, "granted", "who was told finds its lease");
  },

  "a writer that gives up lets those in that wait behind it": async (stage) => {
    const [reader, writer, late] = await actors(stage, 3);
    await reader.take("key", shared);
    await line([
      [writer, "exclusive"],
      [late, "shared"],
    ]);
    assert.equal((await release(writer, "key")).status, "absent");
    assert.deepEqual(await holdersOf(writer), sessionsOf(reader, late));
  },

  "a writer whose main thread is gone lets others pass": async (stage) => {
    const [reader, writer, late] = await actors(stage, 3);
    await reader.take("key", shared);
    await line([[writer, "exclusive"]]);
    writer.leases.close();
    const limits = { deadlineMs: 10_000, what: "whether it is granted the key" };
    await waitUntil(async () => (await late.queue("key", shared)).status, "granted", limits);
  },

  "each lease that is shared ends by itself; the key lives as long as the last": async (stage) => {
    const [short, long, writer] = await actors(stage, 3);
    const token = await long.take("key", shared);
    await short.take("key", { ...shared, lockTtlMs: 60 });
    const limits = { deadlineMs: 10_000, what: "who holds the key" };
    await waitUntil(() => holdersOf(writer), sessionsOf(long), limits);
    assert.equal((await renew(short, "key", token)).status, "lost");
    assert.deepEqual(await renew(long, "key", token), held);
    assert.equal((await writer.acquire("key")).status, "held");
    await release(long, "key");
    assert.ok((await writer.take("key")) > token, "the one that has run out keeps nobody out");
  },

  "a shared lease that is renewed lives on, and one that was only looked at does not": async (stage) => {
    const [kept, seen] = await actors(stage, 2);
    const token = await kept.take("key", { ...shared, lockTtlMs: 1_000 });
    await seen.take("key", { ...shared, lockTtlMs: 1_000 });
    assert.deepEqual(await renew(kept, "key", token), held);
    assert.deepEqual(await renew(seen, "key", token, { lockTtlMs: 0 }), held);
    const limits = { deadlineMs: 10_000, what: "who holds the key" };
    await waitUntil(() => holdersOf(seen), sessionsOf(kept), limits);
    assert.equal((await renew(kept, "key", token + 1)).status, "lost", "under another token");
    assert.equal((await renew(kept, "key", token, { leaseNumber: 2 })).status, "lost");
    assert.deepEqual(await renew(kept, "key", token), held);
  },

  "the dead among those that share a key are taken out, the living stay": async (stage) => {
    const [dead, living, writer] = await actors(stage, 3);
    const fencingToken = await dead.take("key", shared);
    await dead.take("key", { ...shared, leaseNumber: 2 });
    await living.take("key", shared);
    const replace = [{ sessionId: dead.sessionId, fencingToken }];
    const other = [{ sessionId: dead.sessionId, fencingToken: fencingToken + 1 }];
    await writer.acquire("key", { replace: other });
    assert.deepEqual(await holdersOf(writer), sessionsOf(dead, living), "of another period");
    const answer = await writer.acquire("key", { replace });
    assert.equal(answer.status, "held");
    assert.deepEqual(await holdersOf(writer), sessionsOf(living));
    await living.liveness.goodbye(living.sessionId);
    const both = [...replace, { sessionId: living.sessionId, fencingToken }];
    assert.ok((await writer.take("key", { replace: both })) > fencingToken);
  },

  "a locker's next session owns again what it shares": async (stage) => {
    const other = await stage.begun();
    const old = await stage.begun({ lockerId: "locker", number: 1 });
    const token = await old.take("key", shared);
    await other.take("key", shared);
    await old.liveness.goodbye(old.sessionId);
    const next = await stage.begun({ lockerId: "locker", number: 2 });
    assert.equal((await renew(next, "key", token)).status, "lost");
    assert.deepEqual(await reown(next, "key", token), held);
    assert.deepEqual(await renew(next, "key", token), held);
    assert.deepEqual(await holdersOf(other), sessionsOf(other, next));
    assert.equal((await reown(next, "key", token, 2)).status, "lost");
  },

  "those who shared a key write it again together, and a claim of a later period ends theirs": async (stage) => {
    const [one, two, later] = (await survivors(stage, 3)) as [Actor, Actor, Actor];
    for (const actor of [one, two]) assert.deepEqual(await reassert(actor, "key", 1_000, shared), held);
    assert.deepEqual(await reassert(one, "key", 1_000, shared), held, "also when asked again");
    assert.deepEqual(await holdersOf(one), sessionsOf(one, two));
    assert.equal((await reassert(later, "key", 999, shared)).status, "lost");
    assert.equal((await reassert(later, "key", 1_000)).status, "lost", "nobody else had the key then");
    assert.deepEqual(await reassert(later, "key", 2_000), held);
    assert.equal((await renew(one, "key", 1_000)).status, "lost");
    await stage.closeWindow(one);
    await release(later, "key");
    assert.equal((await one.take("key", { ...shared, leaseNumber: 2 })) > 2_000, true);
  },

  "what was shared in an older era holds nobody out, and can be written again": async (stage) => {
    const [one, two] = (await survivors(stage, 2, "interrupt", (actor) => actor.take("key", shared))) as [Actor, Actor];
    const fencingToken = (await one.leases.readHolders("key"))[0]!.fencingToken;
    assert.equal((await renew(one, "key", fencingToken)).status, "lost");
    for (const actor of [one, two]) assert.deepEqual(await reassert(actor, "key", fencingToken, shared), held);
    assert.deepEqual(await renew(one, "key", fencingToken), held);
    assert.deepEqual(await holdersOf(one), sessionsOf(one, two));
    assert.equal((await two.acquire("key", { leaseNumber: 2 })).status, "held");
  },

  "of many that hold a key all leases can be read; who asks for it is told 8, of different sessions": async (stage) => {
    const [writer, ...readers] = await actors(stage, 11);
    for (const leaseNumber of [1, 2]) {
      for (const reader of readers) await reader.take("key", { ...shared, leaseNumber });
    }
    const leases = await writer.leases.readHolders("key");
    assert.equal(new Set(leases.map((one) => `${one.sessionId} ${one.leaseNumber}`)).size, 20);
    const seen = new Set<string>();
    const look = async (): Promise<number> => {
      const answer = await writer.acquire("key");
      assert.ok("holders" in answer && answer.holders?.length === 8);
      assert.equal(new Set(answer.holders.map(({ sessionId }) => sessionId)).size, 8);
      for (const { sessionId } of answer.holders) seen.add(sessionId);
      return seen.size;
    };
    await waitUntil(look, 10, { deadlineMs: 20_000, what: "how many holders were told" });
  },

  "entries of an older era are dropped when they are met": async (stage) => {
    const [holder, reader] = await actors(stage, 2);
    await holder.take("key");
    await line([[reader, "shared"]]);
    await stage.store.interrupt();
    await holder.begin({ mode: "trusted", era: (await holder.ping()).era });
    await stage.closeWindow(holder);
    await holder.take("key", { leaseNumber: 2 });
    const answer = await holder.queue("key", { leaseNumber: 3 });
    assert.deepEqual("unfit" in answer && [answer.isFirst, answer.unfit], [true, []]);
    await release(holder, "key", 2);
    assert.equal((await holder.queue("key", { leaseNumber: 3 })).status, "granted");
  },
};
