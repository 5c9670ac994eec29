import assert from "node:assert/strict";
import { test } from "node:test";
import { countCommands, parseMonitorLine } from "./monitor.js";
import { startRedis } from "./redis-server.js";

test("commands are counted by name, and only those sent while the function runs", async () => {
  await using server = await startRedis({ password: "secret" });
  const client = server.client();
  await client.set("before", "1");
  const count = await countCommands(server.url, async () => {
    await client.set("key", "value");
    await Promise.all([client.get("key"), client.get("key")]);
  });
  await client.set("after", "1");
  assert.deepEqual(count.byCommand, { set: 1, get: 2 });
  assert.equal(count.total, 3);
  assert.equal(new Set(count.commands.map(({ source }) => source)).size, 1);
  assert.deepEqual(count.commands[0]?.text, '"set" "key" "value"');
});

test("a script counts once, whatever it calls", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.ping();
  const count = await countCommands(server.url, () =>
    client.eval("redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])", 1, "key"),
  );
  assert.deepEqual(count.byCommand, { eval: 1 });
});

test("the counter does not count itself, and an idle client sends nothing", async () => {
  await using server = await startRedis();
  await server.client().ping();
  const outer = await countCommands(server.url, 20);
  assert.equal(outer.total, 0);
});

test("an argument that looks like another command does not confuse the parser", () => {
  const line = '+1700000000.123456 [0 127.0.0.1:5000] "SET" "key" "] \\"get\\" [0 lua]"';
  assert.deepEqual(parseMonitorLine(line), {
    name: "set",
    source: "127.0.0.1:5000",
    text: '"SET" "key" "] \\"get\\" [0 lua]"',
  });
  assert.equal(parseMonitorLine('+1700000000.123456 [3 lua] "get" "key"')?.source, "lua");
  assert.equal(parseMonitorLine('+1700000000.123456 [0 [::1]:5000] "get" "key"')?.source, "[::1]:5000");
  assert.equal(parseMonitorLine("+OK"), undefined);
});
