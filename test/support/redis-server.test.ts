import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isRunning } from "./process-guard.js";
import { sharedRedis, startRedis } from "./redis-server.js";
import { exchange } from "./raw-redis.js";
import { spawnChild } from "./child.js";
import { waitUntil } from "./wait.js";

test("a started server answers at its url, and is gone after dispose", async () => {
  let pid: number | undefined;
  {
    await using server = await startRedis();
    pid = server.pid;
    assert.equal(await server.client().ping(), "PONG");
    assert.ok(server.port >= 10_240 && server.port < 32_768);
  }
  assert.ok(pid !== undefined && !isRunning(pid));
});

test("a password is asked for, and the url carries it", async () => {
  await using server = await startRedis({ password: "p@ss/word" });
  assert.equal(await server.client().ping(), "PONG");
  const naked = `redis://127.0.0.1:${server.port}`;
  const lines = await exchange(naked, ["PING"], () => true);
  assert.match(lines[0] ?? "", /^-NOAUTH/);
});

test("a restart that keeps data brings it back on the same port, one that does not comes back empty", async () => {
  await using server = await startRedis();
  const client = server.client();
  const { port, pid } = server;
  await client.set("key", "value");

  await server.restart({ keepData: true });
  assert.equal(server.port, port);
  assert.notEqual(server.pid, pid);
  assert.equal(await client.get("key"), "value");

  await server.restart({ keepData: false });
  assert.equal(await client.get("key"), null);
});

test("a killed server keeps what its append-only file holds, and loses all without one", async () => {
  await using durable = await startRedis({ appendonly: true });
  await using volatile = await startRedis();
  for (const server of [durable, volatile]) {
    await server.client().set("key", "value");
    await server.kill();
    assert.equal(server.pid, undefined);
    await server.restart({ keepData: true });
  }
  assert.equal(await durable.client().get("key"), "value");
  assert.equal(await volatile.client().get("key"), null);
});

test("a frozen server answers only once it is thawed, and can be stopped while frozen", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.ping();
  await server.freeze();
  let answered = false;
  const reply = client.ping().then(() => (answered = true));
  // The kernel still completes handshakes for a stopped process, so a connection proves nothing; a reply would.
  await assert.rejects(
    exchange(server.url, ["PING"], () => true, 200),
    /not within/,
  );
  assert.equal(answered, false);
  server.thaw();
  await reply;

  await server.freeze();
  await server.stop();
  assert.equal(server.pid, undefined);
});

test("memory limits and extra arguments reach the server", async () => {
  await using server = await startRedis({ maxmemory: "5mb", extraArgs: ["--databases", "3"] });
  const client = server.client();
  assert.deepEqual(await client.config("GET", "maxmemory"), ["maxmemory", String(5 * 1024 * 1024)]);
  assert.deepEqual(await client.config("GET", "databases"), ["databases", "3"]);
});

test("a server that cannot start fails at once and says why", async () => {
  await using first = await startRedis();
  await assert.rejects(startRedis({ port: first.port }), /ended with code 1[^]*Address already in use/);
  await assert.rejects(startRedis({ extraArgs: ["--no-such-directive", "1"] }), /ended with code 1/);
});

test("a directory of one's own is left in place", async () => {
  const dir = await mkdtemp(join(tmpdir(), "pulselock-test-"));
  try {
    {
      await using server = await startRedis({ dir, appendonly: true });
      await server.client().set("key", "value");
    }
    assert.ok((await readdir(dir)).length > 0);
    await using again = await startRedis({ dir, appendonly: true });
    assert.equal(await again.client().get("key"), "value");
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("the shared server is the same for every user and outlives a user's handle", async () => {
  await using first = await sharedRedis();
  await first.client().set("shared-key", "value", "EX", 60);
  await first[Symbol.asyncDispose]();
  await using second = await sharedRedis();
  assert.equal(second.url, first.url);
  assert.equal(await second.client().get("shared-key"), "value");
});

test("a test process killed outright leaves no server and no directory behind", async () => {
  await using child = await spawnChild(new URL("./fixtures/redis-owner.js", import.meta.url));
  const owned = await child.request<{ pid: number; dir: string }>("start");
  assert.ok(isRunning(owned.pid));
  await child.kill("SIGKILL");
  const gone = (): boolean => !isRunning(owned.pid) && !existsSync(owned.dir);
  await waitUntil(gone, true, { deadlineMs: 5_000, what: "the orphaned server is gone" });
});

test("a process that leaves its shared server running ends by itself, and the server with it", async () => {
  // Without REDIS_URL, which names a server that is not ours to end.
  const env = { REDIS_URL: "" };
  await using child = await spawnChild(new URL("./fixtures/redis-owner.js", import.meta.url), { env });
  const owned = await child.request<{ pid: number }>("share");
  child.disconnect();
  assert.deepEqual(await child.exited, { code: 0, signal: null });
  await waitUntil(() => isRunning(owned.pid), false, { deadlineMs: 5_000, what: "the shared server runs" });
});
