import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { startRedis, type ClientOptions, type RedisServer } from "./redis-server.js";
import { startProxy, type TcpProxy } from "./tcp-proxy.js";
import { once, waitUntil } from "./wait.js";

test("bytes pass through unchanged in both directions, large replies too", async () => {
  await using rig = await startRig();
  const { through } = rig;
  const value = "x".repeat(3_000_000);
  await through.set("large", value);
  assert.equal(await through.get("large"), value);
  assert.equal(rig.proxy.connections, 1);
});

test("a cut ends every connection and lets clients come back", async () => {
  await using rig = await startRig({ retryStrategy: () => 5 });
  const closed = once(rig.through, "close", { deadlineMs: 5_000, what: "the client sees the cut" });
  rig.proxy.cut();
  await closed;
  assert.equal(await rig.through.ping(), "PONG");
});

test("a refusing proxy turns new connections away and leaves open ones alone", async () => {
  await using rig = await startRig();
  rig.proxy.refuse();
  assert.equal(await rig.through.ping(), "PONG");
  const late = new Redis(rig.proxy.url, { lazyConnect: true, retryStrategy: () => null });
  late.on("error", () => undefined);
  await assert.rejects(late.connect());
  await rig.proxy.accept();
  await late.connect();
  assert.equal(await late.ping(), "PONG");
  late.disconnect();
});

test("a second door leads to another server and shares every fault with the first", async () => {
  await using rig = await startRig({ retryStrategy: () => 5 });
  await using other = await startRedis();
  const port = await rig.proxy.addDoor(other.port);
  const second = new Redis(port, { retryStrategy: () => 5 });
  second.on("error", () => undefined);
  try {
    await second.set("where", "other");
    assert.equal(await rig.through.get("where"), null);
    rig.proxy.refuse();
    const closed = once(second, "close", { deadlineMs: 5_000, what: "the client sees the cut" });
    rig.proxy.cut();
    await closed;
    assert.equal(rig.proxy.connections, 0);
    await rig.proxy.accept();
    assert.equal(await second.get("where"), "other");
  } finally {
    second.disconnect();
  }
});

test("a server that is down shows as a reset, not as silence", async () => {
  await using rig = await startRig();
  const closed = once(rig.through, "close", { deadlineMs: 5_000, what: "the client sees the crash" });
  await rig.server.kill();
  await closed;
  const late = new Redis(rig.proxy.url, { lazyConnect: true, retryStrategy: () => null });
  late.on("error", () => undefined);
  await assert.rejects(late.connect());
  late.disconnect();
});

test("swallowed requests never reach the server, and heal ends the connection that has a hole", async () => {
  await using rig = await startRig();
  const closed = once(rig.through, "close", { deadlineMs: 5_000, what: "the client sees the end" });
  rig.proxy.blackhole({ up: true });
  const lost = rig.through.set("swallowed", "1");
  const failed = assert.rejects(lost);
  // The direct client is the later marker: it passes while nothing comes through.
  assert.equal(await rig.direct.set("marker", "1"), "OK");
  assert.equal(rig.through.status, "ready");
  rig.proxy.heal();
  await closed;
  await failed;
  assert.equal(await rig.direct.get("swallowed"), null);
});

test("a connection that lost nothing survives a blackhole", async () => {
  await using rig = await startRig();
  rig.proxy.blackhole();
  rig.proxy.heal();
  assert.equal(await rig.through.ping(), "PONG");
  assert.equal(rig.proxy.connections, 1);
});

test("with replies swallowed, the server executes what the client never hears of", async () => {
  await using rig = await startRig();
  rig.proxy.blackhole({ down: true });
  const failed = assert.rejects(rig.through.set("heard", "no"));
  await waitUntil(() => rig.direct.get("heard"), "no", { deadlineMs: 5_000, what: "the executed command" });
  rig.proxy.heal();
  await failed;
});

test("a connection opened in a blackhole never reaches the server", async () => {
  await using rig = await startRig();
  const before = await connectedClients(rig.direct);
  rig.proxy.blackhole();
  const late = new Redis(rig.proxy.url, { retryStrategy: () => null });
  late.on("error", () => undefined);
  await waitUntil(() => rig.proxy.connections, 2, { deadlineMs: 5_000, what: "the proxy's connections" });
  assert.equal(await connectedClients(rig.direct), before);
  rig.proxy.heal();
  await waitUntil(() => late.status, "end", { deadlineMs: 5_000, what: "the late client's status" });
});

test("held requests land late and in order, held replies too", async () => {
  await using rig = await startRig();
  rig.proxy.hold({ up: true });
  const pushed = Promise.all([1, 2, 3].map((number) => rig.through.rpush("list", number)));
  await waitUntil(() => rig.proxy.heldBytes.up > 0, true, { deadlineMs: 5_000, what: "held requests" });
  assert.equal(await rig.direct.exists("list"), 0);
  rig.proxy.heal();
  await pushed;
  assert.deepEqual(await rig.direct.lrange("list", 0, -1), ["1", "2", "3"]);

  rig.proxy.hold({ down: true });
  const reply = rig.through.get("list-length-marker");
  await waitUntil(() => rig.proxy.heldBytes.down > 0, true, { deadlineMs: 5_000, what: "held replies" });
  rig.proxy.heal();
  assert.equal(await reply, null);
});

test("latency delays each direction and keeps the order despite jitter", async () => {
  await using rig = await startRig();
  rig.proxy.latency(30, 20);
  const startedMs = performance.now();
  const replies = await Promise.all(Array.from({ length: 20 }, (_, index) => rig.through.rpush("list", index)));
  // Timers may fire up to a millisecond early by this clock, once in each direction.
  assert.ok(performance.now() - startedMs >= 58);
  assert.deepEqual(
    replies,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  rig.proxy.latency(0);
  assert.equal(await rig.through.ping(), "PONG");
});

interface Rig {
  server: RedisServer;
  proxy: TcpProxy;
  /** A client of the proxy, connected. By default it does not come back after a cut. */
  through: Redis;
  /** A client past the proxy. */
  direct: Redis;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startRig(options: ClientOptions = { retryStrategy: () => null }): Promise<Rig> {
  const server = await startRedis();
  const proxy = await startProxy(server.port);
  const through = new Redis(proxy.url, options);
  through.on("error", () => undefined);
  await through.ping();
  const dispose = async (): Promise<void> => {
    through.disconnect();
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { server, proxy, through, direct: server.client(), [Symbol.asyncDispose]: dispose };
}

async function connectedClients(redis: Redis): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await redis.info("clients"))?.[1]);
}
