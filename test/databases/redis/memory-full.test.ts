// With no memory left every verb but a grant does all it has to, and a refused grant leaves everything as it was.
// Redis refuses what may take memory only as a script's first write, so the order of writes in our scripts is what is
// tested here.

import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { ContractStage, limits, RECOVERY_MS, type Actor } from "../../contract/contract-stage.js";
import { release, renew } from "../../contract/lease-cases.js";
import { keysUnder, openContractRedis, type ContractRedis } from "../../support/contract-redis.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";

let server: RedisServer;
let store: ContractRedis;
let stage: ContractStage;

before(async () => {
  server = await startRedis();
});
after(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  await maxmemory(0);
  store = await openContractRedis({
    url: server.url,
    client: () => server.client(),
    [Symbol.asyncDispose]: async () => {},
  });
  stage = new ContractStage(store);
});
afterEach(() => stage[Symbol.asyncDispose]());

/** 1: nothing fits any more. */
async function maxmemory(bytes: 0 | 1): Promise<void> {
  await server.client().config("SET", "maxmemory", bytes);
}

/** Everything in the namespace, but for pings and times to live. */
async function contents(): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const name of (await keysUnder(store.client, store.prefix)).toSorted()) {
    const isText = (await store.client.type(name)) === "string";
    all[name] = isText ? await store.client.get(name) : await store.client.hgetall(name);
  }
  return all;
}

/** A dead session's lease under "key", and a contender that is steady enough to judge. */
async function deadOwner(): Promise<{ owner: Actor; contender: Actor; token: number }> {
  const [owner, contender] = [await stage.begun(), await stage.begun()];
  const token = await owner.take("key");
  await store.age(owner.sessionId, { silentMs: limits.sessionTtlMs });
  await store.age(contender.sessionId, { steadyMs: limits.sessionTtlMs });
  return { owner, contender, token };
}

test("a dead owner's session is condemned and stays so, while its key is refused and stays as it is", async () => {
  const { owner, contender, token } = await deadOwner();
  await maxmemory(1);
  assert.deepEqual(await contender.condemn(owner.sessionId), { status: "condemned", reason: "silent" });
  const condemned = await contents();
  assert.equal((condemned[`${store.prefix}s:${owner.sessionId}`] as Record<string, string>)["cause"], "silent");
  const takeover = { leaseNumber: 3, replace: [{ sessionId: owner.sessionId, fencingToken: token }] };
  await assert.rejects(contender.acquire("key", takeover), { name: "StoreError", code: "out-of-memory" });
  assert.deepEqual(await contents(), condemned, "the refused takeover changed nothing");
  assert.equal((await owner.ping()).status, "condemned");
  assert.deepEqual(await release(contender, "key", 3).then(({ status }) => status), "other");
  await maxmemory(0);
  assert.ok((await contender.take("key", takeover)) > token);
});

test("a takeover in one batch with other grants is refused with them, and the fence does not move", async () => {
  const { owner, contender, token } = await deadOwner();
  await maxmemory(1);
  await contender.condemn(owner.sessionId);
  const earlier = await contents();
  const wanted = { lockTtlMs: 60_000, trace: "" };
  const replace = [{ sessionId: owner.sessionId, fencingToken: token }];
  const batch = [
    { ...wanted, key: "free", leaseNumber: 4 },
    { ...wanted, key: "key", leaseNumber: 5, replace },
    { ...wanted, key: "also-free", leaseNumber: 6 },
  ];
  await assert.rejects(contender.leases.acquire(contender.identity, batch), { code: "out-of-memory" });
  assert.deepEqual(await contents(), earlier);
});

test("who was condemned re-owns what nobody took under the next session, and gives it back", async () => {
  const { owner, contender, token } = await deadOwner();
  const { lockerId } = owner;
  await maxmemory(1);
  await contender.condemn(owner.sessionId);
  const next = await stage.actor({ lockerId, number: 2 });
  assert.equal((await next.begin()).status, "alive");
  const lease = { key: "key", leaseNumber: 1, fencingToken: token, lockTtlMs: 60_000 };
  const reowned = await next.leases.reown(next.identity, [lease]);
  assert.deepEqual(reowned, { status: "ok", answers: [{ status: "held" }] });
  assert.deepEqual(await renew(next, "key", token), { status: "held" });
  assert.deepEqual(await release(next, "key"), { status: "released" });
  await next.liveness.goodbye(next.sessionId);
  assert.deepEqual(await contents().then((all) => all[`${store.prefix}s:${next.sessionId}`]), undefined);
});

test("after a loss of memory the living enter again and say what they hold, and the window closes", async () => {
  const { owner, contender, token } = await deadOwner();
  await contender.condemn(owner.sessionId);
  const held = await contender.take("held", { leaseNumber: 7 });
  await store.loseMemory();
  await maxmemory(1);
  const newcomer = await stage.actor();
  assert.equal((await newcomer.begin()).recovering, true, "whoever comes first begins the era");
  const { status, era, recovering } = await contender.ping();
  assert.deepEqual([status, recovering], ["reenter", true]);
  assert.equal((await contender.begin({ mode: "trusted", era })).status, "alive");
  await contender.leases.writeTombstones(contender.identity, [owner.sessionId], 60_000);
  const was = { acquiredAtMs: 1, trace: "", lastToken: held, mode: "exclusive" as const };
  const lease = { key: "held", leaseNumber: 7, fencingToken: held, lockTtlMs: 60_000, ...was };
  const reasserted = await contender.leases.reassert(contender.identity, [lease]);
  assert.deepEqual(reasserted, { status: "ok", answers: [{ status: "held" }] });
  assert.equal((await owner.begin({ mode: "trusted", era })).status, "condemned", "the tombstone was written");
  await maxmemory(0);
  await store.age(contender.sessionId, { steadyMs: RECOVERY_MS });
  await maxmemory(1);
  assert.equal((await contender.ping()).recovering, false);
  await assert.rejects(contender.acquire("free", { leaseNumber: 8 }), { code: "out-of-memory" });
  assert.ok(token < held);
  await maxmemory(0);
  assert.ok((await contender.take("free", { leaseNumber: 8 })) > held, "the fence was raised all the same");
});

test("a connection that is new when memory is full is heard by its first release, renewal and judgement", async () => {
  const { owner, contender, token } = await deadOwner();
  const again = await stage.actor({ lockerId: contender.lockerId });
  again.era = contender.era;
  const session = `${store.prefix}s:${contender.sessionId}`;
  const generationOf = (): Promise<string | null> => store.client.hget(session, "generation");
  await store.client.hset(session, "generation", "0"); // an older connection's
  await maxmemory(1);
  assert.deepEqual(await renew(again, "key", token), { status: "lost", lease: await again.readLease("key") });
  assert.equal(await generationOf(), "1");
  assert.equal((await again.condemn(owner.sessionId)).status, "condemned");
});

test("a key that is given back goes to those who wait, exclusive and shared, and the fence moves", async () => {
  const [holder, waiter, one, two] = [
    await stage.begun(),
    await stage.begun(),
    await stage.begun(),
    await stage.begun(),
  ];
  const before = await holder.take("key");
  await waiter.queue("key");
  for (const reader of [one, two]) assert.equal((await reader.queue("key", { mode: "shared" })).status, "queued");
  await maxmemory(1);
  assert.deepEqual(await release(holder, "key"), { status: "released" });
  const { sessionId, fencingToken } = (await holder.readLease("key"))!;
  assert.equal(sessionId, waiter.sessionId);
  assert.ok(fencingToken > before);
  assert.deepEqual(await release(waiter, "key"), { status: "released" });
  const readers = await holder.leases.readHolders("key");
  const token = readers[0]!.fencingToken;
  assert.deepEqual(readers.map((lease) => lease.sessionId).toSorted(), [one.sessionId, two.sessionId].toSorted());
  assert.ok(token > fencingToken);
  assert.deepEqual(await renew(one, "key", token), { status: "held" });
  assert.equal(Number(await store.client.hget(`${store.prefix}n`, "fence")), token);
  for (const reader of [one, two]) assert.deepEqual(await release(reader, "key"), { status: "released" });
});

test("who would queue, share or take permits is refused and changes nothing; a key is kept all the same", async () => {
  const [holder, other] = [await stage.begun(), await stage.begun()];
  await holder.take("key");
  await holder.take("shared", { leaseNumber: 2, mode: "shared" });
  await maxmemory(1);
  const earlier = await contents();
  const permits = { mode: "permits", permits: { take: 1, limit: 2 } } as const;
  for (const refused of [
    other.queue("key"),
    other.acquire("free", { mode: "shared" }),
    other.acquire("shared", { mode: "shared" }),
    other.acquire("free", permits),
  ]) {
    await assert.rejects(refused, { code: "out-of-memory" });
  }
  assert.deepEqual(await contents(), earlier);
  const kept = await holder.leases.release(holder.identity, [{ key: "key", leaseNumber: 1, keepMs: 600_000 }]);
  assert.deepEqual(kept, { status: "ok", answers: [{ status: "released" }] });
  assert.equal((await other.readLease("key"))?.isKept, true);
});

test("a lease is revoked by force", async () => {
  const [holder, actor] = [await stage.begun(), await stage.begun()];
  const fencingToken = await holder.take("key");
  await maxmemory(1);
  const request = { key: "key", sessionId: holder.sessionId, leaseNumber: 1, fencingToken, force: true };
  assert.equal((await actor.leases.revoke(actor.identity, request)).status, "marked");
  assert.equal((await renew(holder, "key", fencingToken)).status, "lost");
  assert.equal((await holder.ping()).lostCounter, 1);
});
