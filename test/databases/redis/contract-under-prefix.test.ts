// Everything that every backend must do, once more for a client that puts a prefix before each key: a name built in Lua
// would lack it, and a session looked up without it looks dead.

import assert from "node:assert/strict";
import test from "node:test";
import { ContractStage } from "../../contract/contract-stage.js";
import { databaseContract } from "../../contract/database-contract.js";
import { openContractRedis } from "../../support/contract-redis.js";

databaseContract("redis under a keyPrefix", () => openContractRedis(undefined, "app:{1}:"));

test("what the contract does under a keyPrefix lies under it", async () => {
  const store = await openContractRedis(undefined, "app:{1}:");
  await using stage = new ContractStage(store);
  const actor = await stage.begun({ listens: true });
  await actor.take("key");
  assert.match(store.prefix, /^app:\{1\}:contract-/);
  assert.equal(await store.client.exists(`${store.prefix}l:key`, `${store.prefix}n`), 2);
  const channels = [`c:${actor.sessionId}`, `g:${actor.lockerId}`].map((name) => `${store.prefix}${name}`);
  assert.deepEqual((await store.client.pubsub("CHANNELS", `${store.prefix}*`)).toSorted(), channels);
});
