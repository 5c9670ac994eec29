import assert from "node:assert/strict";
import test from "node:test";
import { ContractStage } from "../../contract/contract-stage.js";
import { openContractRedis } from "../../support/contract-redis.js";
import { newKey, openLocker, take } from "../../support/lockers.js";
import { startRedis } from "../../support/redis-server.js";
import { waitUntil } from "../../support/wait.js";

test("a connection listens to the channel of its newest session alone", async () => {
  const store = await openContractRedis();
  await using stage = new ContractStage(store);
  const actor = await stage.actor();
  const channel = (number: number): string => `${store.prefix}c:${actor.lockerId}.${number}`;
  const channels = (): Promise<string[]> => store.client.pubsub("CHANNELS", `${store.prefix}c:*`) as Promise<string[]>;
  for (let number = 1; number <= 50; number++) {
    assert.equal(await actor.liveness.listen(`${actor.lockerId}.${number}`), true);
    await actor.begin(); // an answer behind the change: it has been carried out
    assert.deepEqual(await channels(), [channel(number)]);
  }
  await store.client.publish(channel(49), "nobody hears it");
  await store.client.publish(channel(50), "a hint");
  await waitUntil(() => actor.pushes, 1, { deadlineMs: 5_000, what: "the pushes" });
  assert.equal(await actor.liveness.listen(`${actor.lockerId}.50`), true, "asked again, it stays");
  await actor.begin();
  assert.deepEqual(await channels(), [channel(50)]);
});

test("a locker whose sessions are condemned again and again leaves no subscription behind", async () => {
  await using server = await startRedis();
  const redis = server.client();
  const prefix = "p:";
  await using locker = openLocker(server.url, prefix);
  const lease = await take(locker, newKey());
  const sessions: string[] = [];
  const sessionOf = async (): Promise<string> => (await locker.readHolder(lease.key))?.sessionId ?? "";
  for (let i = 0; i < 5; i++) {
    const sessionId = await sessionOf();
    sessions.push(sessionId);
    await redis.hset(`${prefix}s:${sessionId}`, "dead", "1");
    await redis.publish(`${prefix}c:${sessionId}`, "condemned");
    const isNext = (id: string): boolean => id !== "" && !sessions.includes(id);
    await waitUntil(sessionOf, isNext, { deadlineMs: 5_000, what: "the lease under the next session" });
    await lease.heartbeat();
  }
  const channels = (await redis.pubsub("CHANNELS")) as string[];
  assert.deepEqual(
    channels.filter((name) => name.startsWith(`${prefix}c:`)),
    [`${prefix}c:${await sessionOf()}`],
  );
  await lease.release();
});
