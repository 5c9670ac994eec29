import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LockStatus, StoreError, type Locker } from "../../../src/index.js";
import { scripts } from "../../../src/databases/redis/scripts.generated.js";
import { findBusy, newKey, openLocker, record, spawnLocker, take } from "../../support/lockers.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";
import { waitUntil } from "../../support/wait.js";

/** The rule in the README. Without one of `needed` something fails; without one of `useful` it works less well. */
const needed = [
  "del",
  "eval",
  "evalsha",
  "exists",
  "get",
  "hdel",
  "hgetall",
  "hlen",
  "hmget",
  "hset",
  "info",
  "pexpire",
  "set",
  "time",
];
const useful = ["publish", "pubsub|numsub", "subscribe", "unsubscribe"];
const prefix = "locks:";
const names = ["~locks:*", "&locks:*"];

let redis: RedisServer;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis[Symbol.asyncDispose]();
});

let users = 0;

/** A user with exactly these rights, as a source for a database. */
async function userWith(commands: string[], patterns = names) {
  const username = `user${++users}`;
  const rules = ["reset", "on", ">secret", ...patterns, "-@all", ...commands.map((command) => `+${command}`)];
  await redis.client().call("ACL", "SETUSER", username, ...rules);
  return { host: "127.0.0.1", port: redis.port, username, password: "secret" };
}

const without = (missing: string): string[] => [...needed, ...useful].filter((command) => command !== missing);

/** Every verb once: grant, contention, renewal, loss of the session with re-owning, takeover, release, goodbye. */
async function live(source: Awaited<ReturnType<typeof userWith>>): Promise<void> {
  await redis.client().flushall();
  await using locker = openLocker(source, prefix, { closeTimeoutMs: 300, acquireTimeoutMs: 3_000 });
  await using other = openLocker(source, prefix, { closeTimeoutMs: 300, acquireTimeoutMs: 3_000 });
  const lease = await take(locker, newKey(), { lockTtlMs: 2_000 });
  const { holder } = await findBusy(other, lease.key);
  await lease.heartbeat.delay(1_000); // waits: for a renewal
  await redis.client().hset(`${prefix}s:${holder.sessionId}`, "dead", "1");
  await waitUntil(
    () => sessionOf(other, lease.key),
    (id) => id !== undefined && id !== holder.sessionId,
    {
      deadlineMs: 5_000,
      what: "the lease's next session",
    },
  );
  await lease.heartbeat();
  await lease.release();
  assert.equal(await other.readHolder(lease.key), undefined);
}

const sessionOf = async (locker: Locker, key: string): Promise<string | undefined> =>
  (await locker.readHolder(key))?.sessionId;

test("the rule names every command that the scripts call", () => {
  const called = new Set<string>();
  for (const lua of Object.values(scripts)) {
    for (const [, command = ""] of lua.matchAll(/redis\.p?call\(\s*"(\w+)"/g)) called.add(command.toLowerCase());
  }
  const listed = [...needed, ...useful].map((command) => command.split("|")[0]);
  const besides = ["eval", "evalsha", "subscribe", "unsubscribe"]; // sent by the client itself
  assert.deepEqual([...called, ...besides].sort(), listed.sort());
});

test("a user with the rule lives a locker's whole life, in both threads", async () => {
  using store = record("store");
  await live(await userWith([...needed, ...useful]));
  assert.deepEqual(store.events, []);
});

test("a user with the rule takes a killed process's key over by its silence on the channel", async () => {
  await redis.client().flushall();
  const source = await userWith([...needed, ...useful]);
  await using child = await spawnLocker(source, prefix);
  await using locker = openLocker(source, prefix);
  using granted = record("granted");
  const key = newKey();
  await child.request("startJob", key, "beating");
  const sessionId = await sessionOf(locker, key);
  await redis.client().hset(`${prefix}s:${sessionId}`, "bootId", "another host's"); // else the host proves the death
  const waiting = take(locker, key, { waitMs: 20_000 });
  await locker.acquireAndRun(newKey(), (heartbeat) => heartbeat.delay(2_000)); // waits: to be steady for a session TTL
  await child.kill("SIGKILL");
  const lease = await waiting;
  assert.equal(granted.events.find((event) => event.key === key)?.takenFrom?.reason, "disconnected");
  await lease.release();
});

// Nobody waits here, so nothing leaves a queue.
for (const missing of needed.filter((command) => command !== "hdel")) {
  test(`a user without ${missing} is told so by a StoreError that names it`, async () => {
    await assert.rejects(live(await userWith(without(missing))), (error) => {
      assert.ok(error instanceof StoreError, String(error));
      assert.equal(error.code, "denied");
      const words = error.message.toLowerCase();
      assert.ok(new RegExp(`\\b${missing}\\b`).test(words.replaceAll("can't run this command", "")), error.message);
      return true;
    });
  });
}

for (const missing of ["publish", "pubsub|numsub", "unsubscribe"]) {
  test(`a user without ${missing} can do everything, if later`, async () => {
    await live(await userWith(without(missing)));
  });
}

for (const [what, commands, patterns] of [
  ["subscribe", without("subscribe"), names],
  ["any channel", [...needed, ...useful], ["~locks:*"]],
] as const) {
  test(`a user without ${what} can do everything, is told so once, and says so in its session's record`, async () => {
    using store = record("store");
    const source = await userWith([...commands], [...patterns]);
    await live(source);
    const said = store.events.map(({ code }) => code);
    assert.deepEqual(said, ["denied", "denied"], "once for each of two lockers");
    assert.match(store.events[0]?.message ?? "", /no right to its session's channel .*sessionTtlMs/);

    await using locker = openLocker(source, prefix);
    await using lease = await take(locker, newKey());
    const sessionId = await sessionOf(locker, lease.key);
    assert.equal(await redis.client().hget(`${prefix}s:${sessionId}`, "channel"), "0");
  });
}

test("a silent process without channel rights is found dead by its silence alone", async () => {
  await redis.client().flushall();
  const source = await userWith([...needed, ...useful], ["~locks:*"]);
  await using child = await spawnLocker(source, prefix);
  await using locker = openLocker(source, prefix);
  using granted = record("granted");
  const key = newKey();
  await child.request("startJob", key, "beating");
  const sessionId = await sessionOf(locker, key);
  await redis.client().hset(`${prefix}s:${sessionId}`, "bootId", "another host's"); // else the host proves the death
  await child.kill("SIGKILL");
  const lease = await take(locker, key, { waitMs: 20_000 });
  assert.equal(granted.events.find((event) => event.key === key)?.takenFrom?.reason, "silent");
  await lease.release();
});

test("a user without the right to the prefix's keys is told so", async () => {
  const source = await userWith([...needed, ...useful], ["~other:*", "&locks:*"]);
  await using locker = openLocker(source, prefix);
  await assert.rejects(locker.acquire(newKey()), { name: "StoreError", code: "denied" });
});

test("a logical database needs select as well", async () => {
  const source = { ...(await userWith([...needed, ...useful, "select"])), db: 2 };
  await using locker = openLocker(source, prefix);
  assert.equal((await locker.acquireAndRun(newKey(), () => undefined)).status, LockStatus.SUCCESS);
});
