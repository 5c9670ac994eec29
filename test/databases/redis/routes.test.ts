// How a connection learns that its server is not in charge any more: by what that says, and by what sentinels say.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { systemClock } from "../../../src/clock.js";
import { StoreError } from "../../../src/errors.js";
import { ClusterNodes } from "../../../src/databases/redis/cluster-nodes.js";
import { ClusterRoute } from "../../../src/databases/redis/cluster-route.js";
import { RedisConnection, type ConnectionEvents } from "../../../src/databases/redis/connection.js";
import { RedisKeys } from "../../../src/databases/redis/keys.js";
import { RedisLiveness } from "../../../src/databases/redis/redis-liveness.js";
import { directRoute, type Route } from "../../../src/databases/redis/route.js";
import { SentinelRoute } from "../../../src/databases/redis/sentinel-route.js";
import { closeServer, freePort, listen } from "../../support/ports.js";
import { startRedis } from "../../support/redis-server.js";
import { waitUntil } from "../../support/wait.js";

const sentinelRoute = (port = 1) => new SentinelRoute({ sentinels: [{ host: "127.0.0.1", port }], name: "main" });
const clusterRoute = () => new ClusterRoute(new ClusterNodes([{ host: "127.0.0.1", port: 1 }], {}), 7);

const READONLY = "READONLY You can't write against a read only replica.";
const elsewhere = [READONLY, "MOVED 7 127.0.0.1:7001", "CLUSTERDOWN The cluster is down"];
const inCharge = ["TRYAGAIN Multiple keys request", "ASK 7 127.0.0.1:7001", "OOM command not allowed", "ERR MOVED"];

test("a server is left that says it is not in charge, and no other", () => {
  const leaves = (route: Route) => [...elsewhere, ...inCharge].filter((words) => route.isLeft(words));
  assert.deepEqual(leaves(clusterRoute()), elsewhere);
  assert.deepEqual(leaves(sentinelRoute()), [READONLY]);
  assert.deepEqual(leaves(directRoute), []);
});

test("the first answer by which a server is left ends its connection", async () => {
  await using server = await startRedis();
  const closed: StoreError[] = [];
  const route = { ...directRoute, isLeft: (words: string) => clusterRoute().isLeft(words) };
  const options = { host: "127.0.0.1", port: server.port };
  const connection = new RedisConnection(options, 2_000, systemClock, { onClose: (e) => closed.push(e) }, { route });
  await connection.ready;
  await server.client().call("REPLICAOF", "127.0.0.1", "1");
  const keys = new RedisKeys("p:");
  const pinged = connection.run("ping", [keys.namespace, keys.session("a.1")], ["era", 1, "", 0, 0, 1]);
  await assert.rejects(pinged, { name: "StoreError", message: /this server is not in charge/ });
  assert.equal(closed.length, 1);
});

test("a ping that meets a slot on its way to another node ends its connection: a break from now on", async () => {
  for (const words of ["TRYAGAIN Multiple keys request during rehashing of slot", "ASK 7 127.0.0.1:7001"]) {
    const closed: unknown[] = [];
    const open = (_clock: unknown, events: ConnectionEvents) => ({
      ready: Promise.resolve(),
      run: () => Promise.reject(new StoreError("unreachable", "refused", new Error(words))),
      get: () => Promise.resolve(null),
      info: () => Promise.resolve(""),
      subscribe: () => Promise.resolve(),
      unsubscribe: () => Promise.resolve(),
      close: (cause?: StoreError) => events.onClose(cause!),
    });
    const events = { onPush: () => undefined, onClose: (cause: unknown) => closed.push(cause) };
    const liveness = new RedisLiveness(open, new RedisKeys("p:"), true, { clock: systemClock }, events);
    await liveness.ready;
    const pinged = liveness.ping({ sessionId: "a.1", era: "era", recoveryMs: 1, clockStepped: false });
    await assert.rejects(pinged, { name: "StoreError" });
    assert.equal(closed.length, 1, words);
  }
});

test("what hangs on a master that fell silent leaves it as soon as another node names the next one", async () => {
  await using silent = await startRedis();
  await using node = await startNode(silent.port);
  const closed: StoreError[] = [];
  const nodes = new ClusterNodes([{ host: "127.0.0.1", port: node.port }], {});
  const reach = { route: new ClusterRoute(nodes, 7) };
  const events = { onClose: (error: StoreError) => closed.push(error) };
  const connect = () => new RedisConnection({}, 4_000, systemClock, events, reach);
  const [asks, idle] = [connect(), connect()];
  using _connections = { [Symbol.dispose]: () => [asks, idle].forEach((one) => one.close()) };
  await Promise.all([asks.ready, idle.ready]);
  await silent.freeze();
  const asked = assert.rejects(asks.get("key"), /another master has taken over/);
  const entered = assert.rejects(connect().ready, /another master has taken over/);
  const before = node.asked;
  await waitUntil(() => node.asked > before + 1, true, { deadlineMs: 10_000, what: "that the node is asked" });
  assert.deepEqual(closed, [], "the same one is named");
  node.master = 1;
  await Promise.all([asked, entered]);
  assert.equal(closed.length, 2, "what waits for nothing stays");
});

test("a node that did not answer is asked after those that did", async () => {
  await using silent = await startRedis();
  await using node = await startNode(0);
  node.master = node.port; // so that it is known from then on, and comes before the seeds
  await silent.freeze();
  const nodes = new ClusterNodes(
    [silent, node].map(({ port }) => ({ host: "127.0.0.1", port })),
    {},
  );
  const draws = [0, 0.5, 0.5, 0]; // the smaller for the silent one, both times
  const clock = { ...systemClock, random: () => draws.shift()! };
  const ask = async (): Promise<number> => {
    const atMs = performance.now();
    assert.equal((await nodes.masterOf(7, clock, 2_000)).port, node.port);
    return performance.now() - atMs;
  };
  assert.ok((await ask()) >= 495, "the silent one was waited for");
  assert.ok((await ask()) < 495, "and not again");
  assert.deepEqual(draws, []);
});

test("what a sentinel says of another master is told to all that listen, of another name to nobody", async () => {
  await using sentinel = await startRedis(); // what a sentinel publishes, any server can
  const client = sentinel.client();
  const route = sentinelRoute(sentinel.port);
  const heard: string[] = [];
  const ends = [1, 2].map((n) => route.watch(systemClock, (server) => heard.push(`${n}: ${server}`)));
  const listeners = async () => ((await client.pubsub("NUMSUB", "+switch-master")) as unknown[])[1];
  await waitUntil(listeners, 1, { deadlineMs: 10_000, what: "who listens to the sentinel" });
  await client.publish("+switch-master", "other 127.0.0.1 1 127.0.0.1 3");
  await client.publish("+switch-master", "main 127.0.0.1 1 127.0.0.1 2");
  await waitUntil(() => heard.length, 2, { deadlineMs: 10_000, what: "what was heard" });
  assert.deepEqual(
    heard,
    [1, 2].map((n) => `${n}: 127.0.0.1:2`),
  );
  for (const end of ends) end();
  await waitUntil(listeners, 0, { deadlineMs: 10_000, what: "who listens when nobody wants to hear" });
});

test("a sentinel that went away is listened to again", async () => {
  await using sentinel = await startRedis();
  const client = sentinel.client();
  let heard = 0;
  const end = sentinelRoute(sentinel.port).watch(systemClock, () => (heard += 1));
  const listeners = async () => ((await client.pubsub("NUMSUB", "+switch-master")) as unknown[])[1];
  const untilListens = () => waitUntil(listeners, 1, { deadlineMs: 10_000, what: "who listens to the sentinel" });
  await untilListens();
  await client.call("CLIENT", "KILL", "TYPE", "pubsub");
  await untilListens();
  await client.publish("+switch-master", "main 127.0.0.1 1 127.0.0.1 2");
  await waitUntil(() => heard, 1, { deadlineMs: 10_000, what: "how often it was heard" });
  end();
});

test("who is on the new master already stays there, whoever tells of it, and leaves it for the next one", async () => {
  await using server = await startRedis();
  await using sentinel = await startSentinel(server.port);
  const closed: StoreError[] = [];
  const options = { sentinels: [{ host: "127.0.0.1", port: sentinel.port }], name: "main" };
  const reach = { route: new SentinelRoute(options) };
  const connection = new RedisConnection(options, 5_000, systemClock, { onClose: (e) => closed.push(e) }, reach);
  using _connection = { [Symbol.dispose]: () => connection.close() };
  await connection.ready;
  await waitUntil(() => sentinel.listeners.size, 1, { deadlineMs: 10_000, what: "who listens to the sentinel" });
  sentinel.tell(server.port);
  sentinel.tell(1);
  await waitUntil(() => closed.length, 1, { deadlineMs: 10_000, what: "the end of the connection" });
  assert.match(closed[0]!.message, /another master has taken over: 127\.0\.0\.1:1\)$/);
});

test("a connection asks those sentinels first that have told of the last switch", async () => {
  await using one = await startSentinel(7);
  await using two = await startSentinel(7);
  await using three = await startSentinel(7);
  const all = [one, two, three];
  const route = new SentinelRoute({ sentinels: all.map(({ port }) => ({ host: "127.0.0.1", port })), name: "main" });
  const heard: string[] = [];
  using _watch = { [Symbol.dispose]: route.watch(systemClock, (server) => heard.push(server)) };
  for (const { listeners } of all) {
    await waitUntil(() => listeners.size, 1, { deadlineMs: 10_000, what: "who listens to each sentinel" });
  }
  const chances = [0, 0.4, 0.8];
  const firsts = () =>
    chances.map((chance) => {
      const { sentinels } = route.options({ ...systemClock, random: () => chance }, 1_000, () => undefined);
      return all.findIndex(({ port }) => port === sentinels![0]!.port);
    });
  assert.deepEqual(firsts(), [0, 1, 2]);
  const tell = async (...[sentinel, port]: [typeof one, number]) => {
    const before = heard.length;
    sentinel.tell(port);
    await waitUntil(() => heard.length, before + 1, { deadlineMs: 10_000, what: "what was heard" });
  };
  await tell(two, 8);
  assert.deepEqual(firsts(), [1, 1, 1]);
  await tell(three, 8);
  assert.deepEqual(firsts(), [1, 1, 2]);
  await tell(one, 9);
  assert.deepEqual(firsts(), [0, 0, 0], "what they told of the switch before counts no more");
});

/** A node of a cluster that has nothing to say but who owns all slots. */
async function startNode(masterPort: number) {
  const node = { port: await freePort(), asked: 0, master: masterPort };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined); // its end is what counts
    socket.on("data", (bytes) => {
      const said = bytes.toString().toLowerCase();
      if (said.includes("hello")) socket.write("%1\r\n+proto\r\n:3\r\n");
      if (!said.includes("slots")) return;
      node.asked += 1;
      socket.write(`*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:${node.master}\r\n`);
    });
  });
  assert.ok(await listen(server, node.port));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await closeServer(server);
  };
  return Object.assign(node, { [Symbol.asyncDispose]: close });
}

/** Names that master when asked, and tells its listeners of another one when it is told to. */
async function startSentinel(masterPort: number) {
  const bulks = (kind: "*" | ">", ...words: string[]) =>
    `${kind}${words.length}\r\n${words.map((w) => `$${w.length}\r\n${w}\r\n`).join("")}`;
  const listeners = new Set<Socket>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("data", (bytes) => {
      const said = bytes.toString().toLowerCase();
      if (said.includes("hello")) socket.write("%1\r\n+proto\r\n:3\r\n");
      for (const _ of said.matchAll(/setinfo/g)) socket.write("+OK\r\n");
      if (said.includes("get-master-addr-by-name")) socket.write(bulks("*", "127.0.0.1", String(masterPort)));
      if (!said.includes("subscribe")) return;
      socket.write(">3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n");
      listeners.add(socket);
    });
    socket.on("error", () => undefined); // its end is what counts
    socket.on("close", () => listeners.delete(socket));
  });
  const port = await freePort();
  assert.ok(await listen(server, port));
  const tell = (newPort: number): void => {
    const words = `main 127.0.0.1 ${masterPort} 127.0.0.1 ${newPort}`;
    for (const socket of listeners) socket.write(bulks(">", "message", "+switch-master", words));
  };
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await closeServer(server);
  };
  return { port, listeners, tell, [Symbol.asyncDispose]: close };
}
