// The rules in the README and in docs/databases/redis.md are enough behind Sentinel, with replicas that acknowledge,
// and in a cluster: to the word, through a failover. What is missing is told.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Locker, RedisDatabase, type RedisDatabaseSettings, type RedisSource } from "../../../src/index.js";
import { admin } from "../../support/admin.js";
import { fastLimits, findBusy, newKey, record, spawnLocker, take } from "../../support/lockers.js";
import { exchange } from "../../support/raw-redis.js";
import { startCluster } from "../../support/redis-cluster.js";
import { startSentinels, type SentinelGroup } from "../../support/redis-sentinels.js";
import type { RedisServer } from "../../support/redis-server.js";
import { waitUntil, withDeadline } from "../../support/wait.js";

const prefix = "pulselock:";
const deadlineMs = 30_000;
const phaseMs = 90_000;
const user = { username: "locker", password: "secret" };
const replicas = { count: 1, timeoutMs: 500 };
/** Rights are what counts here: a slow machine is no reason to fail. */
const roomy = { recoveryMs: 1_500, commandTimeoutMs: 3_000 };

/** What follows the user's name in the page's `ACL SETUSER locker …` that has that word. */
async function ruleIn(page: string, word: string): Promise<string[]> {
  const text = await readFile(fileURLToPath(new URL(`../../../../${page}`, import.meta.url)), "utf8");
  const rules = [...text.matchAll(/ACL SETUSER locker ([^`]*)```/g)].map(([, rule = ""]) => rule);
  const words = rules.map((rule) => rule.replaceAll("\\\n", " ").split(/\s+/).filter(Boolean));
  return words.find((rule) => rule.includes(word)) ?? assert.fail(`${page} has no rule with ${word}`);
}

const setUser = (servers: readonly RedisServer[], rule: readonly string[]) =>
  Promise.all(servers.map((server) => admin(server).call("ACL", "SETUSER", user.username, ...rule)));

/** On a sentinel; until the answer's last line, and PONG. */
const tellSentinel = (port: number, command: string): Promise<string[]> =>
  exchange(`redis://127.0.0.1:${port}`, [command, "PING"], (line) => line === "+PONG");

/** Sentinels of which a user may only ask for the master, and hear of the next one; servers with that rule. */
async function startGuarded(rule: readonly string[]): Promise<SentinelGroup & { guarded: RedisSource }> {
  const group = await startSentinels();
  await setUser(group.servers, rule);
  const ofSentinels = await ruleIn("docs/databases/redis.md", "+sentinel|get-master-addr-by-name");
  const command = ["ACL", "SETUSER", user.username, ...ofSentinels];
  for (const sentinel of group.sentinels) assert.equal(await sentinel.ask(...command), "+OK");
  const sentinelUser = { sentinelUsername: user.username, sentinelPassword: user.password };
  return Object.assign(group, { guarded: { ...group.source, ...user, ...sentinelUser } });
}

type Site = {
  readonly source: RedisSource;
  readonly servers: readonly RedisServer[];
  readonly settings?: RedisDatabaseSettings;
  /** Another server takes over from the key's master. */
  fail(key: string): Promise<void>;
};

function openOn({ source, settings }: Pick<Site, "source" | "settings">): Locker {
  const database = new RedisDatabase(source, { ...roomy, ...settings, prefix });
  return new Locker({ database, ...fastLimits, acquireTimeoutMs: deadlineMs });
}

/** Grant, contention, renewal, hand-off, takeover of a killed process, failover: nothing of it is denied. */
async function live(site: Site): Promise<void> {
  using told = record("store");
  await using locker = openOn(site);
  await using other = openOn(site);
  for (const one of [locker, other]) await (await take(one, newKey())).release();
  const key = newKey();
  const lease = await take(locker, key, { lockTtlMs: 2_000 });
  await findBusy(other, key);
  const waits = async (): Promise<void> => (await take(other, key, { waitMs: deadlineMs })).release();
  const handsOn = async (): Promise<void> => {
    await lease.heartbeat.delay(1_000); // waits: for pings and a renewal
    await lease.release();
  };
  await withDeadline(Promise.all([waits(), handsOn()]), phaseMs, "the hand-off");

  await withDeadline(takeOver(site, locker, newKey()), phaseMs, "the takeover");

  const held = await take(locker, key);
  const failsOver = async (): Promise<void> => {
    await site.fail(key);
    await held.release();
  };
  await withDeadline(Promise.all([waits(), failsOver()]), phaseMs, "the failover");

  const alive = site.servers.filter(({ pid }) => pid !== undefined);
  const denied = (await Promise.all(alive.map((server) => admin(server).call("ACL", "LOG")))).flat();
  assert.deepEqual(denied, [], JSON.stringify(denied));
  assert.deepEqual(
    told.events.filter(({ code }) => code !== "unreachable"),
    [],
  );
}

/** By the silence of its channel: the host's own proof is taken out of the record. */
async function takeOver({ source, servers, settings }: Site, locker: Locker, key: string): Promise<void> {
  using granted = record("granted");
  await using child = await spawnLocker(source, prefix, {}, {}, { ...roomy, ...settings });
  await child.request("startJob", key, "beating");
  const { sessionId } = (await locker.readHolder(key)) ?? assert.fail("nobody holds the key");
  for (const server of servers) {
    const [role] = (await admin(server).call("ROLE")) as [string];
    const [name] = role === "master" ? await admin(server).keys(`${prefix}*s:${sessionId}`) : [];
    if (name) await admin(server).hset(name, "bootId", "another host's");
  }
  const dies = async (): Promise<void> => {
    await locker.acquireAndRun(newKey(), (heartbeat) => heartbeat.delay(2_000)); // waits: for a session TTL
    await child.kill("SIGKILL");
  };
  const [lease] = await Promise.all([take(locker, key, { waitMs: deadlineMs }), dies()]);
  // Who asked twice for it is told "already" the second time.
  const reason = granted.events.find((event) => event.key === key)?.takenFrom?.reason ?? "";
  assert.ok(["disconnected", "already"].includes(reason), reason);
  await lease.release();
}

async function killMaster(group: SentinelGroup): Promise<void> {
  const master = await group.master();
  await master.kill();
  await group.untilReplaced(master);
}

for (const settings of [{}, { replicas }]) {
  const what = settings.replicas ? ", with +wait where replicas acknowledge," : "";
  test(`a user with the README's rule${what} can do all behind Sentinel, and asks as a user of theirs`, async () => {
    const rule = await ruleIn("README.md", "+pubsub|numsub");
    await using group = await startGuarded([...rule, ...(settings.replicas ? ["+wait"] : [])]);
    const { guarded: source, servers } = group;
    await live({ source, servers, settings, fail: () => killMaster(group) });
    for (const { port } of group.sentinels) {
      const log = await tellSentinel(port, "ACL LOG");
      const denied = log.flatMap((line, i) => (line === "object" ? [log[i + 2]] : []));
      // The driver's name, since Redis 7.2: it does without.
      assert.deepEqual(
        denied.filter((what) => what !== "client|setinfo"),
        [],
        log.join(" "),
      );
    }
  });
}

test("a locker is there for its sentinels' user alone, and one with another password is told so", async () => {
  await using group = await startGuarded(await ruleIn("README.md", "+pubsub|numsub"));
  {
    await using locker = openOn({ source: group.guarded });
    await using lease = await take(locker, newKey());
    const listening = async (): Promise<boolean> => {
      const answers = await Promise.all(group.sentinels.map(({ port }) => tellSentinel(port, "CLIENT LIST")));
      return answers.every((lines) => /user=locker.* cmd=subscribe|cmd=subscribe .*user=locker/.test(lines.join("\n")));
    };
    await waitUntil(listening, true, { deadlineMs, what: "the user listens to every sentinel" });
    assert.equal(lease.state, "held");
  }
  await using refused = openOn({ source: { ...(group.guarded as object), sentinelPassword: "wrong" } as RedisSource });
  await assert.rejects(refused.acquire("key"), { name: "StoreError", code: "denied" });
});

test("a user without wait is told so by a StoreError that names it, where replicas acknowledge", async () => {
  await using group = await startGuarded(await ruleIn("README.md", "+pubsub|numsub"));
  await using locker = openOn({ source: group.guarded, settings: { replicas } });
  await assert.rejects(locker.acquire("key"), { name: "StoreError", code: "denied", message: /wait/i });
});

for (const settings of [{}, { replicas }]) {
  const what = settings.replicas ? ", with +wait where replicas acknowledge," : "";
  test(`a cluster's user with the rights of the documentation${what} can do all`, async () => {
    await using cluster = await startCluster();
    const rule = await ruleIn("docs/databases/redis.md", "+cluster|slots");
    await setUser(cluster.nodes, [...rule, ...(settings.replicas ? ["+wait"] : [])]);
    const source = { ...cluster.source, redisOptions: user };
    const fail = async (): Promise<void> => {
      const owner = await cluster.ownerOf("{0}");
      await cluster.order(owner);
      await cluster.untilReplaced("{0}", owner);
      await cluster.untilWhole();
    };
    await live({ source, servers: cluster.nodes, settings: { ...settings, shards: 1 }, fail });
  });
}
