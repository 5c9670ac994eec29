// A process stops between its check and its write. No lock helps then: only a resource that looks at the token does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newKey, newPrefix, openLocker, spawnLocker, take } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { Ledger } from "./fixtures/ledger.js";

test("a write that was checked before a long stop is refused by its token, and by nothing else", async () => {
  await using server = await startRedis();
  await using ledger = new Ledger(server.url);
  const prefix = newPrefix();
  await using writer = await spawnLocker(server.url, prefix);
  await using next = openLocker(server.url, prefix);
  const key = newKey();
  const { fencingToken } = await writer.request<{ fencingToken: number }>("acquire", key);
  await writer.request("heartbeat", key); // the check says yes
  await writer.kill("SIGSTOP"); // and then the write takes its time
  await using lease = await take(next, key, { waitMs: 20_000 });
  const client = server.client();
  await client.set("unfenced", "the next holder's");
  assert.equal(await ledger.write(key, lease.fencingToken, Ledger.nowUs()), true);
  await writer.kill("SIGCONT");
  await client.set("unfenced", "the late writer's");
  assert.equal(await ledger.write(key, fencingToken, Ledger.nowUs()), false, "the token is too old");
  assert.equal(await client.get("unfenced"), "the late writer's", "the next holder's update is lost");
  assert.deepEqual([(await ledger.read(key)).accepted, (await ledger.read(key)).refused], [1, 1]);
  await assert.rejects(writer.request("heartbeat", key), { name: "LockError", code: "taken-over" });
});
