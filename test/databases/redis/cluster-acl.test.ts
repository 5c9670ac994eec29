// The rule in docs/databases/redis.md is enough in a cluster, to the word.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { admin } from "../../support/admin.js";
import { findBusy, openLocker, record, take } from "../../support/lockers.js";
import { startCluster } from "../../support/redis-cluster.js";

/** What follows the user's name, its password and its patterns. */
async function ruleInDocs(): Promise<string[]> {
  const page = await readFile(fileURLToPath(new URL("../../../../docs/databases/redis.md", import.meta.url)), "utf8");
  const [, rule = ""] = /ACL SETUSER locker (on [^`]*\+cluster\|slots[^`]*)```/.exec(page) ?? [];
  return rule.replaceAll("\\\n", " ").split(/\s+/).filter(Boolean);
}

test("a cluster's user with the rights of the documentation can do all, and nothing is missed", async () => {
  await using cluster = await startCluster();
  const rule = await ruleInDocs();
  assert.ok(rule.length > 15, rule.join(" "));
  for (const node of cluster.nodes) await admin(node).call("ACL", "SETUSER", "locker", ...rule);
  const source = { ...cluster.source, redisOptions: { username: "locker", password: "secret" } };
  using told = record("store");
  await using locker = openLocker(source, "pulselock:");
  await using other = openLocker(source, "pulselock:");
  const lease = await take(locker, "key");
  await findBusy(other, "key");
  const waits = other.acquire("key", { waitMs: 20_000 });
  await lease.heartbeat.delay(1_000); // waits: for pings and polls
  await lease.release();
  assert.equal((await waits).status, "SUCCESS");
  const denied = (await Promise.all(cluster.nodes.map((node) => admin(node).call("ACL", "LOG")))).flat();
  assert.deepEqual(denied, [], JSON.stringify(denied));
  assert.deepEqual(told.events, []);
});
