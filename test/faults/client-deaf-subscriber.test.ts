// The store tells a subscriber that its lease was taken, counts it as told, and the word never arrives.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LockError } from "../../src/index.js";
import { condemnAndTake, newPrefix, openLocker, take } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";

test("a holder whose push was lost on a half-open connection stops believing, and its next ping tells", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const prefix = newPrefix();
  await using thief = openLocker(server.url, prefix);
  await using holder = openLocker(proxy.url, prefix);
  await using own = await take(thief, "the thief's own");
  const lease = await take(holder, "key");
  const redis = server.client();
  const [channel = ""] = await channelOf(redis, prefix, lease.key);
  proxy.blackhole({ down: true });
  await condemnAndTake(redis, prefix, lease.key, own.key);
  assert.equal(await redis.publish(channel, "condemned"), 1, "the store believes that it was heard");
  await waitUntil(() => lease.state, "unsure", { deadlineMs: 5_000, what: "the lease, once trust is over" });
  assert.throws(() => lease.assertHeld(), { name: "LockUnsureError" });
  assert.equal(lease.signal.aborted, false, "nothing was heard yet");
  const asked = lease.heartbeat();
  proxy.heal(); // what was lost stays lost
  await assert.rejects(asked, (error) => error instanceof LockError && error.code === "taken-over");
  assert.equal(lease.signal.aborted, true);
});

async function channelOf(
  redis: ReturnType<Awaited<ReturnType<typeof startRedis>>["client"]>,
  prefix: string,
  key: string,
) {
  const sessionId = (await redis.get(`${prefix}l:${key}`))?.split(" ")[2];
  return [`${prefix}c:${sessionId}`];
}
