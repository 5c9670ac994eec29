// Everything that every backend must do, on a cluster of three masters and three replicas.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { databaseContract } from "../../contract/database-contract.js";
import { contractOn } from "../../support/contract-redis.js";
import { startCluster, type RedisCluster } from "../../support/redis-cluster.js";

let cluster: RedisCluster;

before(async () => {
  cluster = await startCluster();
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
});

databaseContract("redis cluster", async () => {
  const owner = await cluster.ownerOf("{0}");
  const dispose = (): Promise<void> => Promise.resolve();
  const shared = { url: owner.url, client: owner.client.bind(owner), [Symbol.asyncDispose]: dispose };
  return contractOn(shared, cluster.source, "", "{0}");
});

test("a name with braces of its own lies in its shard's slot all the same", async () => {
  const owner = await cluster.ownerOf("{0}");
  assert.equal(await cluster.slotOf("pulselock:{0}l:a{b}c"), await cluster.slotOf("{0}"));
  assert.ok(owner.pid);
});
