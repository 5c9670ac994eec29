// The faults that need aim: lost replies, partial replies, commands of dead sockets.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { Redis } from "ioredis";
import { startRedis } from "./redis-server.js";
import { startProxy } from "./tcp-proxy.js";
import { waitUntil, withDeadline } from "./wait.js";

test("a reply is lost once: the server has executed the request, the client sees a reset", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const client = await openOnce(proxy.url);
  const cut = proxy.cutAfterRequest((bytes) => bytes.includes("counter"));
  await client.set("unrelated", "1");
  await assert.rejects(client.incr("counter"));
  await withDeadline(cut, 5_000, "the request is executed");
  assert.equal(await server.client().get("counter"), "1");

  const next = await openOnce(proxy.url);
  assert.equal(await next.incr("counter"), 2);
  next.disconnect();
});

test("a lost reply is lost even while the server is frozen, and its request is executed after the thaw", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const client = await openOnce(proxy.url);
  let executed = false;
  const cut = proxy.cutAfterRequest((bytes) => bytes.includes("counter")).then(() => (executed = true));
  await server.freeze();
  await assert.rejects(client.incr("counter"));
  assert.equal(executed, false);
  server.thaw();
  await withDeadline(cut, 5_000, "the request is executed");
  assert.equal(await server.client().get("counter"), "1");
});

test("a cut within a reply lets exactly so many bytes through", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  await server.client().set("key", "0123456789");
  const cut = proxy.cutAfterReplyBytes(8);
  const socket = connect(proxy.port, "127.0.0.1");
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => (received += text));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write("GET key\r\n");
  await withDeadline(Promise.all([cut, closed]), 5_000, "the cut");
  assert.equal(received, "$10\r\n012");

  const next = await openOnce(proxy.url);
  assert.equal(await next.get("key"), "0123456789");
  next.disconnect();
});

test("a command of a dead socket lands when it is delivered, after the same client has gone on", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const direct = server.client();
  const zombie = await openOnce(proxy.url);
  proxy.hold({ up: true });
  const failed = assert.rejects(zombie.set("owner", "zombie"));
  await waitUntil(() => proxy.heldBytes.up > 0, true, { deadlineMs: 5_000, what: "the held command" });
  proxy.detach();
  proxy.heal();
  await failed;
  assert.equal(proxy.connections, 0);

  const alive = await openOnce(proxy.url);
  await alive.set("owner", "alive");
  assert.equal(await direct.get("owner"), "alive");
  await withDeadline(proxy.deliverDetached(), 5_000, "the zombie's command is executed");
  assert.equal(await direct.get("owner"), "zombie");
  assert.equal(await alive.ping(), "PONG");
  alive.disconnect();
});

test("a command sent under latency and detached is kept as well", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const zombie = await openOnce(proxy.url);
  proxy.latency(60_000);
  const failed = assert.rejects(zombie.set("owner", "zombie"));
  await waitUntil(() => proxy.heldBytes.up > 0, true, { deadlineMs: 5_000, what: "the travelling command" });
  proxy.detach();
  await failed;
  await withDeadline(proxy.deliverDetached(), 5_000, "the zombie's command is executed");
  assert.equal(await server.client().get("owner"), "zombie");
});

test("a client that came and went while its connection was held still lands at heal", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  proxy.hold({ up: true });
  const socket = connect(proxy.port, "127.0.0.1");
  socket.end("SET visitor here\r\n");
  await waitUntil(() => proxy.heldBytes.up > 0, true, { deadlineMs: 5_000, what: "the held command" });
  socket.destroy();
  proxy.heal();
  const visitor = (): Promise<string | null> => server.client().get("visitor");
  await waitUntil(visitor, "here", { deadlineMs: 5_000, what: "the visitor's command" });
});

/** Connected, and never again after a cut, so that no retry hides the fault. */
async function openOnce(url: string): Promise<Redis> {
  const client = new Redis(url, { retryStrategy: () => null, autoResendUnfulfilledCommands: false });
  client.on("error", () => undefined);
  await client.ping();
  return client;
}
