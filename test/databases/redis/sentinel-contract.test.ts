// Everything that every backend must do, on a master that sentinels name; and what is particular to that.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { databaseContract } from "../../contract/database-contract.js";
import { contractOn } from "../../support/contract-redis.js";
import { findBusy, newKey, newPrefix, openLocker, take } from "../../support/lockers.js";
import { startSentinels, type SentinelGroup } from "../../support/redis-sentinels.js";
import type { SharedRedis } from "../../support/redis-server.js";

let group: SentinelGroup;

before(async () => {
  group = await startSentinels({ replicas: 1 });
});

after(async () => {
  await group[Symbol.asyncDispose]();
});

databaseContract("redis sentinel", async () => {
  const master = await group.master();
  const shared: SharedRedis = {
    url: master.url,
    client: (options) => master.client(options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return contractOn(shared, group.source);
});

test("a locker finds the master while the first sentinel of its list is not there", async () => {
  const prefix = newPrefix();
  const source = { ...group.source, sentinels: [{ host: "127.0.0.1", port: 1 }, ...group.source.sentinels!] };
  await using locker = openLocker(source, prefix);
  await using other = openLocker(group.url, prefix);
  const lease = await take(locker, newKey());
  await findBusy(other, lease.key);
  await lease.release();
});

test("a name that no sentinel knows is told by the acquire", async () => {
  await using locker = openLocker({ ...group.source, name: "other" }, newPrefix(), { acquireTimeoutMs: 1_000 });
  await assert.rejects(locker.acquire("key"), { name: "StoreError", code: "unreachable", message: /sentinel/i });
});
