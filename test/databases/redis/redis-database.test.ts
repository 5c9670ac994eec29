import assert from "node:assert/strict";
import test from "node:test";
import type { Redis } from "ioredis";
import { RedisDatabase } from "../../../src/databases/redis/redis-database.js";
import { scripts } from "../../../src/databases/redis/scripts.generated.js";
import { ContractStage, RECOVERY_MS, type Actor } from "../../contract/contract-stage.js";
import { databaseContract } from "../../contract/database-contract.js";
import { release, renew } from "../../contract/lease-cases.js";
import { keysUnder, openContractRedis, type ContractRedis } from "../../support/contract-redis.js";
import { startRedis, type SharedRedis } from "../../support/redis-server.js";
import { waitUntil } from "../../support/wait.js";

databaseContract("redis", () => openContractRedis());

/** A stage whose store is known to be Redis, on a server of its own when something is done to all of it. */
async function openStage(server?: SharedRedis) {
  const store = await openContractRedis(server);
  const stage = new ContractStage(store);
  return { store, stage, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

/** An acquire as a connection of that generation would deliver it. */
function acquireAs(store: ContractRedis, actor: Actor, generation: number, key: string): Promise<unknown> {
  const { prefix, client } = store;
  const { lockerId, sessionId, era } = actor;
  const keys = [`${prefix}n`, `${prefix}s:${sessionId}`, `${prefix}l:${key}`, `${prefix}q:${key}`];
  const head = ["unused", RECOVERY_MS, generation, era, sessionId, lockerId, "", 0];
  return client.eval(scripts.acquire, keys.length, ...keys, ...head, "9 60000 x;1;0;;;late");
}

test("what an older connection still delivers is refused once a newer one was heard, whatever the verb", async () => {
  await using opened = await openStage();
  const { store, stage } = opened;
  const actor = await stage.begun();
  const token = await actor.take("key");
  assert.deepEqual(await acquireAs(store, actor, 2, "newer"), ["ok", actor.era, await grantOf(actor, "newer")]);
  const { leases, identity } = actor;
  const lease = { key: "key", leaseNumber: 1, fencingToken: token, lockTtlMs: 60_000 };
  const was = { acquiredAtMs: 1, trace: "", lastToken: token, mode: "exclusive" as const };
  const refused = { status: "generation" };
  assert.deepEqual(await leases.acquire(identity, [{ ...lease, key: "late", trace: "" }]), refused);
  assert.deepEqual(await leases.renew(identity, [lease]), refused);
  assert.deepEqual(await leases.reown(identity, [lease]), refused);
  assert.deepEqual(await leases.reassert(identity, [{ ...lease, ...was }]), refused);
  assert.deepEqual(await leases.release(identity, [lease]), refused);
  assert.equal(await actor.readLease("late"), undefined);
  assert.equal((await actor.readLease("key"))?.fencingToken, token);
});

test("an acquire that a broken connection delivers after its cancel leaves nothing held", async () => {
  await using opened = await openStage(await startRedis());
  const { store, stage } = opened;
  const actor = await stage.begun();
  await actor.take("other", { leaseNumber: 1 });
  await breakConnection(store.client, () => actor.readLease("other"));
  assert.deepEqual(
    await release(actor, "key", 9),
    { status: "absent" },
    "the cancel comes first, on the next connection",
  );
  assert.deepEqual(await acquireAs(store, actor, 1, "key"), ["generation", actor.era]);
  assert.equal(await actor.readLease("key"), undefined);
});

test("every verb goes on after the server has forgotten its scripts", async () => {
  await using opened = await openStage(await startRedis());
  const { store, stage } = opened;
  const flush = () => store.client.script("FLUSH");
  const [actor, other] = [await stage.begun({ listens: true }), await stage.begun()];
  await flush();
  const token = await actor.take("key");
  for (const ask of [
    () => renew(actor, "key", token),
    () => actor.ping(),
    () => other.leases.readSession(actor.sessionId, other.identity),
    () => other.condemn(actor.sessionId),
    () => other.leases.writeTombstones(other.identity, ["nobody.1"], 1_000),
    () => actor.leases.reown(actor.identity, []),
    () => actor.leases.reassert(actor.identity, []),
    () => release(actor, "key"),
    () => actor.begin(),
    () => actor.liveness.goodbye(actor.sessionId),
  ]) {
    await flush();
    await ask();
  }
  assert.equal((await actor.ping()).status, "condemned");
});

test("namespaces with other prefixes, also of the client itself, see nothing of each other", async () => {
  await using opened = await openStage();
  const { store, stage } = opened;
  const actor = await stage.begun({ lockerId: "locker" });
  await actor.take("key");
  for (const [options, prefix] of [
    [{}, `${store.prefix}other:`],
    [{ keyPrefix: `${store.prefix}app:` }, "pulselock:"],
  ] as const) {
    const database = new RedisDatabase(() => store.client.duplicate({ ...options, lazyConnect: true }), { prefix });
    const inside = new ContractStage({ ...store, database, [Symbol.asyncDispose]: () => Promise.resolve() });
    const there = await inside.actor({ lockerId: "locker" });
    assert.equal((await there.begin()).recovering, true, "an era of its own");
    assert.equal(await there.readLease("key"), undefined);
    assert.ok((await keysUnder(store.client, `${options.keyPrefix ?? ""}${prefix}`)).length > 0);
    await inside[Symbol.asyncDispose]();
  }
  assert.equal((await actor.ping()).status, "alive");
});

test("what the store holds: a compact text a lease for its time to live, a record a session for an hour", async () => {
  await using opened = await openStage();
  const { store, stage } = opened;
  const { client, prefix } = store;
  const actor = await stage.begun({ lockerId: "locker" });
  const token = await actor.take("key", { leaseNumber: 3, lockTtlMs: 50_000, trace: "why" });
  const lease = await actor.readLease("key");
  const raw = await client.get(`${prefix}l:key`);
  assert.equal(raw, `1 x locker.1 3 ${token} ${lease?.acquiredAtMs} ${actor.era} why`);
  assert.match(raw ?? "", / \d{16} /);
  const names = (await keysUnder(client, prefix)).map((name) => name.slice(prefix.length));
  assert.deepEqual(names.toSorted(), ["l:key", "n", "s:locker.1"], "and nothing else");
  const near = (ms: number, expected: number) => assert.ok(ms > expected - 20_000 && ms <= expected, `${ms}`);
  near(await client.pttl(`${prefix}l:key`), 50_000);
  near(await client.pttl(`${prefix}s:locker.1`), 3_600_000);
  assert.equal(await client.pttl(`${prefix}n`), -1, "the fence must not be forgotten");
  await client.pexpire(`${prefix}s:locker.1`, 1_000);
  await renew(actor, "key", token);
  near(await client.pttl(`${prefix}s:locker.1`), 3_600_000);
});

test("a tombstone is kept for as long as its writer says", async () => {
  await using opened = await openStage();
  const { store, stage } = opened;
  const [victim, contender] = [await stage.begun(), await stage.begun()];
  await contender.condemn(victim.sessionId, { proof: true, tombstoneMs: 700_000 });
  const leftMs = await store.client.pttl(`${store.prefix}s:${victim.sessionId}`);
  assert.ok(leftMs > 600_000 && leftMs <= 700_000);
});

test("what is not ours costs one element of a batch, and is left as it is", async () => {
  await using opened = await openStage();
  const { store, stage } = opened;
  const { client, prefix } = store;
  const actor = await stage.begun();
  await client.rpush(`${prefix}l:list`, "a");
  await client.set(`${prefix}l:text`, "hello");
  await client.set(`${prefix}l:newer`, "2 x a.1 1 2 3 era trace");
  const batch = ["list", "free", "text", "newer"].map((key, i) => {
    return {
      key,
      leaseNumber: i + 1,
      fencingToken: 5,
      lockTtlMs: 60_000,
      ...{ trace: "", acquiredAtMs: 1, lastToken: 5, mode: "exclusive" as const },
    };
  });
  const { leases, identity } = actor;
  for (const verb of ["acquire", "renew", "reown", "reassert", "release"] as const) {
    const result = await leases[verb](identity, batch);
    assert.ok(result.status === "ok", verb);
    const codes = result.answers.map((answer) =>
      answer.status === "error" ? (answer.error as { code?: string }).code : "",
    );
    assert.deepEqual(codes, ["foreign-value", "", "foreign-value", "newer-version"], verb);
  }
  assert.deepEqual(await client.lrange(`${prefix}l:list`, 0, -1), ["a"]);
  assert.equal(await client.get(`${prefix}l:text`), "hello");
  await assert.rejects(leases.readHolders("text"), { code: "foreign-value" });
  await assert.rejects(leases.readHolders("newer"), { code: "newer-version" });
});

test("a namespace that a newer version has written is left alone by every verb", async () => {
  await using opened = await openStage();
  const { store, stage } = opened;
  const [actor, fresh] = [await stage.begun(), await stage.actor()];
  await store.client.hset(`${store.prefix}n`, "v", "2");
  await assert.rejects(actor.acquire("key"), { code: "newer-version" });
  await assert.rejects(actor.ping(), { code: "newer-version" });
  await assert.rejects(fresh.begin(), { code: "newer-version" });
  await assert.rejects(actor.condemn(fresh.sessionId), { code: "newer-version" });
});

test("when memory is full sessions live, leases are kept and given back, and nothing new is granted", async () => {
  await using opened = await openStage(await startRedis());
  const { store, stage } = opened;
  const { client, prefix } = store;
  const actor = await stage.begun();
  const fresh = await stage.actor();
  const token = await actor.take("held");
  await client.config("SET", "maxmemory", "1");
  assert.equal((await actor.ping()).status, "alive");
  assert.equal((await fresh.begin()).status, "alive");
  assert.deepEqual(await renew(actor, "held", token), { status: "held" });
  assert.equal(await actor.take("held"), token, "what was granted before is found again");
  const again = { key: "held", leaseNumber: 1, lockTtlMs: 60_000, trace: "" };
  for (const batch of [
    [{ ...again, key: "free", leaseNumber: 2 }],
    [again, { ...again, key: "free", leaseNumber: 2 }],
  ]) {
    await assert.rejects(actor.leases.acquire(actor.identity, batch), { code: "out-of-memory" });
    assert.equal(await client.exists(`${prefix}l:free`), 0);
  }
  assert.deepEqual(await release(actor, "held"), { status: "released" });
  await fresh.liveness.goodbye(fresh.sessionId);
});

/** What acquire answers who was granted a free key. */
async function grantOf(actor: Actor, key: string) {
  const answer = await waitUntil(
    () => actor.readLease(key),
    (lease) => lease !== undefined,
    {
      ...{ deadlineMs: 10_000, what: `the lease of ${key}` },
    },
  );
  const token = String(answer?.fencingToken);
  return `${token} ${answer?.acquiredAtMs}`;
}

/** Kills every other connection, and waits until that command is answered on a new one. */
async function breakConnection(client: Redis, ask: () => Promise<unknown>): Promise<void> {
  for (const type of ["normal", "pubsub"]) await client.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
  await waitUntil(async () => void (await ask()), undefined, { deadlineMs: 10_000, what: "the next connection" });
}
