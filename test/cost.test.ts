import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Locker, RedisDatabase, type Lease } from "../src/index.js";
import { newKey, newPrefix, openLocker, spawnLocker, take } from "./support/lockers.js";
import { countCommands, type MonitoredCommand } from "./support/monitor.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";

const prefix = newPrefix();
let redis: RedisServer;
let locker: Locker;

before(async () => {
  redis = await startRedis();
  locker = openLocker(redis.url, prefix);
  await locker.acquireAndRun(newKey(), () => undefined);
});

after(async () => {
  await locker.close();
  await redis[Symbol.asyncDispose]();
});

const keysOf = (count: number, name: string): string[] => Array.from({ length: count }, () => newKey(name));

const takeAll = (who: Locker, keys: string[], lockTtlMs?: number): Promise<Lease[]> =>
  Promise.all(keys.map((key) => take(who, key, lockTtlMs === undefined ? {} : { lockTtlMs })));

/** The requests that name a lease: every request for a batch of them is one command. */
const aboutLeases = (commands: readonly MonitoredCommand[]): MonitoredCommand[] =>
  commands.filter(({ text }) => text.includes(`${prefix}l:`));

test("acquires and releases of one turn travel as one command for every 64", async () => {
  for (const [count, expected] of [
    [1, 1],
    [64, 1],
    [65, 2],
    [300, 5],
  ] as const) {
    let leases: Lease[] = [];
    const acquiring = await countCommands(redis.url, async () => (leases = await takeAll(locker, keysOf(count, "b"))));
    assert.equal(aboutLeases(acquiring.commands).length, expected, `${count} acquires`);
    const releasing = await countCommands(redis.url, () => Promise.all(leases.map((lease) => lease.release())));
    assert.equal(aboutLeases(releasing.commands).length, expected, `${count} releases`);
  }
});

test("a release and an acquire of one turn are two commands, the release first", async () => {
  const key = newKey();
  const lease = await take(locker, key);
  const { commands } = await countCommands(redis.url, async () => {
    const [, next] = await Promise.all([lease.release(), take(locker, key)]);
    await next.release();
  });
  assert.equal(aboutLeases(commands).length, 3);
});

test("uncontended acquires and releases do not touch the worker's connection", async () => {
  const { commands } = await countCommands(redis.url, async () => {
    for (let i = 0; i < 20; i++) await locker.acquireAndRun(newKey(), (heartbeat) => heartbeat());
  });
  const pings = commands.filter(({ text }) => !text.includes(`${prefix}l:`));
  const pinging = new Set(pings.map(({ source }) => source));
  const asking = new Set(aboutLeases(commands).map(({ source }) => source));
  assert.equal(asking.size, 1);
  assert.equal(
    [...asking].some((source) => pinging.has(source)),
    false,
  );
});

test("leases that beat are renewed together, one command for every 64 in a fifth of their TTL", async () => {
  const leases = await takeAll(locker, keysOf(130, "r"), 2_000);
  const beating = Promise.all(leases.map((lease) => lease.heartbeat.delay(2_400))); // waits: for renewals
  const { commands } = await countCommands(redis.url, () => beating);
  const renewals = aboutLeases(commands).length;
  // 3 commands every 400 ms, and a few more since they do not all beat in the same instant; fewer on a busy machine,
  // but without two rounds at least nothing would be held by now.
  assert.ok(renewals >= 6 && renewals <= 30, `${renewals} renewals in 2.4 s`);
  await Promise.all(leases.map((lease) => lease.release()));
});

test("with default limits 1,000 leases that beat each second cost the store under 10 commands a second", async () => {
  const database = new RedisDatabase(redis.url, { prefix: newPrefix() });
  await using quiet = new Locker({ database });
  const leases = await takeAll(quiet, keysOf(1_000, "q"));
  const seconds = 3;
  const { total } = await countCommands(redis.url, async () => {
    for (let i = 0; i < seconds; i++) {
      await Promise.all(leases.map((lease) => lease.heartbeat()));
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // waits: the cost of passing time is counted
    }
  });
  const ofTheOther = 10 * seconds; // this file's own locker pings ten times a second
  assert.ok(total - ofTheOther < 10 * seconds, `${total - ofTheOther} commands in ${seconds} s`);
  await Promise.all(leases.map((lease) => lease.release()));
});

test("a quiet process holds two connections, whatever it holds", async () => {
  const client = redis.client();
  const clients = async (): Promise<number> =>
    String(await client.client("LIST"))
      .trim()
      .split("\n").length;
  const before = await clients();
  await using child = await spawnLocker(redis.url, prefix);
  for (const key of keysOf(20, "c")) await child.request("acquire", key);
  assert.equal((await clients()) - before, 2);
  await child.request("close");
});

test("a lock costs the store less than 200 bytes", async () => {
  const key = "eighteen.bytes.key";
  await using lease = await take(locker, key);
  const bytes = Number(await redis.client().memory("USAGE", `${prefix}l:${key}`));
  assert.ok(bytes <= 200, `${bytes} bytes`);
  assert.equal(lease.state, "held");
});

test("acquires that were granted, refused, timed out or aborted leave no timer behind", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  await using lease = await take(locker, newKey());
  const before = timers();
  for (let round = 0; round < 20; round++) {
    const stop = new AbortController();
    const outcomes = [
      ...keysOf(20, "t").map((key) => locker.acquireAndRun(key, (heartbeat) => heartbeat())),
      locker.acquire(lease.key),
      locker.acquire(lease.key, { waitMs: 20 }),
      locker.acquire(lease.key, { waitMs: 60_000, signal: stop.signal }).catch(() => undefined),
    ];
    setImmediate(() => stop.abort());
    await Promise.all(outcomes);
  }
  assert.ok(timers() <= before + 2, `${timers()} timers, ${before} before`);
});

test("what a locker left behind after ten thousand leases is its namespace and its session", async () => {
  const own = newPrefix();
  await using busy = openLocker(redis.url, own);
  for (let round = 0; round < 10; round++) {
    await Promise.all(keysOf(1_000, "x").map((key) => busy.acquireAndRun(key, () => undefined)));
  }
  const left = await redis.client().keys(`${own}*`);
  assert.equal(left.length, 2, left.join(" "));
});
