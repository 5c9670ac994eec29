// Processes that look alike: the same host and pid after a container's restart, children of one cluster.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { spawnChild } from "../support/child.js";
import { findBusy, newKey, newPrefix, openLocker, record, spawnLocker, take } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import type { ClusterReport } from "./fixtures/cluster-primary.js";

const prefix = newPrefix();
let server: RedisServer;

before(async () => {
  server = await startRedis();
});
after(() => server[Symbol.asyncDispose]());

test("a holder with our own host and pid is another one: it lives while it pings, no longer", async () => {
  await using child = await spawnLocker(server.url, prefix);
  await using locker = openLocker(server.url, prefix);
  const key = newKey();
  await child.request("startJob", key, "beating");
  const { holder } = await findBusy(locker, key);
  const redis = server.client();
  const own = await take(locker, newKey());
  const ownSession = (await redis.get(`${prefix}l:${own.key}`))?.split(" ")[2];
  // As in a container that came up with the same name, in a pid namespace of its own, on the same boot.
  await redis.hset(`${prefix}s:${holder.sessionId}`, {
    pid: process.pid,
    host: (await redis.hget(`${prefix}s:${ownSession}`, "host")) ?? "",
    pidNamespace: "pid:[another]",
    startTime: "1",
  });
  const again = await findBusy(locker, key, { waitMs: 300 });
  assert.deepEqual([again.holder.pid, again.holder.sessionId], [process.pid, holder.sessionId]);
  assert.notEqual(ownSession, holder.sessionId);
  using granted = record("granted");
  await child.kill("SIGKILL");
  const lease = await take(locker, key, { waitMs: 20_000 });
  assert.equal(granted.events.find((event) => event.key === key)?.takenFrom?.reason, "disconnected");
  await Promise.all([lease.release(), own.release()]);
});

test("a cluster's primary and workers are holders of their own, forked while a locker is in use", async () => {
  await using primary = await spawnChild(new URL("./fixtures/cluster-primary.js", import.meta.url));
  const report = await primary.request<ClusterReport>("run", server.url, prefix, newKey());
  const sessions = [report.primary, ...report.workers].map(({ sessionId }) => sessionId);
  assert.equal(new Set(sessions).size, 3, sessions.join(" "));
  assert.equal(new Set([report.primary, ...report.workers].map(({ pid }) => pid)).size, 3);
  assert.deepEqual(
    report.workers.map(({ status }) => status),
    ["SOMEONE_ELSE_HOLDS_LOCK", "SOMEONE_ELSE_HOLDS_LOCK"],
    "the primary holds it",
  );
  assert.equal(report.primary.stillHolds, true);
});
