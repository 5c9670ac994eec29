import assert from "node:assert/strict";
import test from "node:test";
import { Cluster, Redis } from "ioredis";
import { OptionError, RedisDatabase } from "../../../src/index.js";
import { slotOf } from "../../../src/databases/redis/cluster-nodes.js";
import { readSource } from "../../../src/databases/redis/source.js";

test("a URL of sentinels names them, the master, and what the master asks for", () => {
  const { options, nodes } = readSource("redis+sentinel://user:s%20cret@a:1,b,[::1]:3/the%20main?db=2");
  assert.equal(nodes, undefined);
  const { sentinels, name, username, password, db, tls } = options;
  const at = [
    { host: "a", port: 1 },
    { host: "b", port: 26_379 },
    { host: "::1", port: 3 },
  ];
  assert.deepEqual([sentinels, name, username, password, tls], [at, "the main", "user", "s cret", undefined]);
  assert.equal(Number(db), 2);
});

test("a rediss+sentinel URL speaks TLS to the sentinels and to the master", () => {
  const { options } = readSource("rediss+sentinel://a:1/main");
  assert.ok(options.tls && options.sentinelTLS && options.enableTLSForSentinelMode);
});

test("a URL of a cluster lists nodes", () => {
  const { options, nodes } = readSource("rediss+cluster://:secret@a:1,b");
  const at = [
    { host: "a", port: 1 },
    { host: "b", port: 6379 },
  ];
  assert.deepEqual(nodes, at);
  assert.ok(options.tls && options.password === "secret");
});

test("a cluster's nodes may be URLs, and its client gives its options", () => {
  const listed = readSource({ nodes: ["redis://:secret@a:1", { host: "b", port: 2 }], redisOptions: { family: 6 } });
  const client = new Cluster([{ host: "a", port: 1 }], {
    lazyConnect: true,
    keyPrefix: "app:",
    redisOptions: { password: "secret" },
  });
  const given = readSource(client);
  assert.deepEqual(listed.nodes?.[1], { host: "b", port: 2 });
  assert.deepEqual([listed.options.password, listed.options.family], ["secret", 6]);
  assert.deepEqual(given.nodes, [{ host: "a", port: 1 }]);
  assert.deepEqual([given.options.keyPrefix, given.options.password], ["app:", "secret"]);
  client.disconnect();
});

test("the client of a sentinel's master gives its options", () => {
  const client = new Redis({ sentinels: [{ host: "a", port: 1 }], name: "main", lazyConnect: true });
  assert.equal(readSource(client).options.name, "main");
});

test("what names no server is an OptionError", () => {
  const broken = ["redis+sentinel://a:1", "redis+cluster://", "redis+other://a", "redis+sentinel://a:b/main"];
  const lists = [{ nodes: [] }, { sentinels: [], name: "main" }, { sentinels: [{ host: "a", port: 1 }] }];
  for (const source of [...broken, ...lists]) {
    assert.throws(() => new RedisDatabase(source as string), OptionError, JSON.stringify(source));
  }
});

test("bad replicas are an OptionError", () => {
  const url = "redis://127.0.0.1:1";
  for (const replicas of [
    ...[{ count: 0 }, { count: 1.5 }, { count: 1, timeoutMs: 0 }, { count: 1, timeoutMs: 2_000 }],
    ...[{ count: 1, otherwise: "hope" }, { count: 1, wait: 1 }, 1, {}],
  ]) {
    assert.throws(() => new RedisDatabase(url, { replicas: replicas as never }), OptionError, JSON.stringify(replicas));
  }
});

test("a key's slot is the one that the cluster computes", () => {
  assert.equal(slotOf("123456789"), 0x31c3 % 16_384);
  assert.equal(slotOf("app:{user1000}.following"), slotOf("{user1000}.followers"));
  assert.equal(slotOf("foo{}{bar}"), slotOf("foo{}{bar}"));
  assert.notEqual(slotOf("foo{}{bar}"), slotOf("foo{}{baz}"));
});
