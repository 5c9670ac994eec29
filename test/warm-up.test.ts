import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { after, before, test } from "node:test";
import { Locker, LockerClosedError, RedisDatabase, StoreError } from "../src/index.js";
import { countCommands } from "./support/monitor.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";

let server: RedisServer;
before(async () => void (server = await startRedis()));
after(() => server[Symbol.asyncDispose]());

test("what a warm locker is asked first costs one command, for its session is there", async () => {
  await using locker = new Locker({ database: server.url });
  const states: string[] = [];
  const onSession = () => void states.push("session");
  subscribe("pulselock:session", onSession);
  await locker.warmUp();
  unsubscribe("pulselock:session", onSession);
  assert.deepEqual(states, ["session"]);
  let status = "";
  const { byCommand } = await countCommands(server.url, async () => ({ status } = await locker.acquire("key")));
  const { evalsha = 0, eval: whole = 0, hello = 0 } = byCommand;
  assert.equal(status, "SUCCESS");
  assert.equal(hello, 0, "a connection was opened");
  assert.ok(evalsha + whole <= 4, JSON.stringify(byCommand)); // the acquire, as a script that may be new, and pings
});

test("a locker is warmed up as often as one likes, and holds nothing by it", async () => {
  await using locker = new Locker({ database: server.url });
  await Promise.all([locker.warmUp(), locker.warmUp()]);
  await locker.warmUp();
  assert.equal(await locker.readHolder("key that nobody asked for"), undefined);
});

test("a store that cannot be reached is told in acquireTimeoutMs, a refusal for good at once", async () => {
  await using away = new Locker({ database: "redis://127.0.0.1:1", acquireTimeoutMs: 300 });
  await assert.rejects(away.warmUp(), (error) => error instanceof StoreError && error.code === "unreachable");
  await using denied = new Locker({ database: server.url.replace("//", "//nobody:wrong@") });
  await assert.rejects(denied.warmUp(), (error) => error instanceof StoreError && error.isLasting);
});

test("a locker that ends is warmed up no more", async () => {
  const locker = new Locker({ database: new RedisDatabase("redis://127.0.0.1:1") });
  const warm = assert.rejects(locker.warmUp(), LockerClosedError);
  await locker.close();
  await warm;
  await assert.rejects(locker.warmUp(), LockerClosedError);
});

test("in memory there is nothing to wait for", async () => {
  await using locker = new Locker({ database: "memory:" });
  await locker.warmUp();
  assert.equal((await locker.acquire("key")).status, "SUCCESS");
});
