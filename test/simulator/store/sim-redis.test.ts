// What a comparison with a real server cannot show, or only with much ado: restarts, old data, the ms of an expiry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as assertProperty, integer, oneof, property, record, string } from "fast-check";
import { parseLease } from "../../../src/databases/redis/records.js";
import { randomKey, randomText } from "../../support/random-text.js";
import { startRedis } from "../../support/redis-server.js";
import { mulberry32, seed } from "../../support/wait.js";
import { SimRedis } from "./sim-redis.js";
import { exclusive } from "../../support/lease-facts.js";

const [namespace, session, sessionId, lockerId] = ["p:n", "p:s:locker.1", "locker.1", "locker"];
const limits = { ttl: 10_000, grace: 1_500, interval: 500, drift: 94, channel: 1 };

/** A store, its clock, and one session that may be granted leases. */
const queueOf = (lease: string): string => lease.replace("l:", "q:");

class Stage {
  nowMs = 1_800_000_000_000;
  readonly told: string[] = [];
  readonly redis: SimRedis;

  constructor(scripts?: Record<string, string>) {
    const deliver = (...message: string[]): void => void this.told.push(message.join(" "));
    this.redis = new SimRedis({
      ...{ nowUs: () => this.nowMs * 1000, runId: "a".repeat(40), deliver },
      ...(scripts && { scripts }),
    });
  }

  open(era: string): void {
    this.redis.eval("begin", [namespace, session], this.#args(era, "new", "", ...Object.entries(limits).flat()));
    for (let i = 0; i < 7; i++) {
      this.nowMs += 500;
      this.redis.eval("ping", [namespace, session], [era, 2_500, era, this.nowMs, 0, 3_600_000]);
    }
  }

  acquire(era: string, key: string, trace = "t", ttlMs = 60_000): unknown {
    const head = [era, 2_500, 1, era, sessionId, lockerId];
    const keys = [namespace, session, key, queueOf(key)];
    return this.redis.eval("acquire", keys, [...head, "", 0, `1 ${ttlMs} x;1;0;;;${trace}`]);
  }

  release(key: string): unknown {
    return this.redis.eval("release", [namespace, session, key, queueOf(key)], ["e9", 2_500, 1, lockerId, "1 0"]);
  }

  #args(era: string, mode: string, entered: string, ...fields: (string | number)[]): (string | number)[] {
    return [era, 2_500, mode, entered, this.nowMs, 3_600_000, 0, ...fields];
  }
}

test("a key lives through the ms that it expires at, and stays gone when the clock steps back", () => {
  const stage = new Stage();
  stage.open("e1");
  stage.acquire("e1", "p:l:a");
  stage.nowMs += 60_000;
  assert.match(stage.redis.get("p:l:a") ?? "", /^1 x locker\.1 1 /);
  stage.nowMs += 1;
  assert.equal(stage.redis.get("p:l:a"), null);
  stage.nowMs -= 10_000;
  assert.equal(stage.redis.get("p:l:a"), null);
});

test("a server that restarts has another run id, nobody subscribed, and the data it is said to come back with", () => {
  const stage = new Stage();
  stage.open("e1");
  stage.acquire("e1", "p:l:a");
  const old = stage.redis.snapshot();
  stage.release("p:l:a");
  stage.acquire("e1", "p:l:b");
  stage.redis.subscribe("p:c:locker.1", "worker");

  stage.redis.restart("b".repeat(40), "kept");
  assert.match(stage.redis.info("server"), /run_id:b{40}\r\n/);
  assert.deepEqual(held(stage.redis), ["p:l:b"]);
  assert.equal(gone(stage.redis), "1");
  assert.deepEqual(stage.acquire("e2", "p:l:c"), ["era", "e2"], "the scripts notice it");

  stage.redis.restart("c".repeat(40), old);
  assert.deepEqual(held(stage.redis), ["p:l:a"]);
  stage.redis.restart("d".repeat(40), "empty");
  assert.deepEqual(stage.redis.snapshot().entries, []);
});

test("a snapshot keeps what was there then, whatever is written later, and time passes for it", () => {
  const stage = new Stage();
  stage.open("e1");
  stage.acquire("e1", "p:l:a");
  const old = stage.redis.snapshot();
  stage.redis.eval("goodbye", [session], []);
  stage.redis.restore(old);
  assert.match(JSON.stringify(stage.acquire("e1", "p:l:b")), /^\["ok","e1","\d+ \d+"\]$/, "the session is back");
  stage.redis.restore(old);
  assert.deepEqual(stage.redis.snapshot(), old);
  stage.nowMs += 60_001;
  assert.deepEqual(held(stage.redis), []);
});

test("a message goes to who subscribes at that moment, and counts them", () => {
  const stage = new Stage({ publish: 'return redis.call("PUBLISH", KEYS[1], ARGV[1])' });
  const publish = (text: string): unknown => stage.redis.eval("publish", ["p:c:é"], [text]);
  assert.equal(publish("unheard"), 0);
  stage.redis.subscribe("p:c:é", "one");
  stage.redis.subscribe("p:c:é", "two");
  stage.redis.subscribe("p:c:é", "one");
  assert.equal(publish("ß"), 2);
  stage.redis.unsubscribeAll("one");
  assert.equal(publish("last"), 1);
  assert.deepEqual(stage.told, ["one p:c:é ß", "two p:c:é ß", "two p:c:é last"]);
});

test("with memory full a script is refused at its first write that needs memory, as by a real server", async () => {
  const scripts = {
    first: 'redis.call("SET", "k", "v") return "done"',
    second: 'redis.call("PEXPIRE", "absent", 1) redis.call("HSET", "h", "f", "v") return "done"',
    caught: 'return redis.pcall("SET", "k", "v").err',
    reads: 'return redis.call("HGETALL", "h")',
  };
  await using server = await startRedis();
  const client = server.client();
  const stage = new Stage(scripts);
  for (const full of [true, false]) {
    stage.redis.memoryFull = full;
    await client.config("SET", "maxmemory", full ? 1 : 0);
    for (const [name, text] of Object.entries(scripts)) {
      const real = await client.eval(text, 0).catch((error: Error) => error.message);
      assert.deepEqual(outcome(stage.redis, name), real, `${name}, memory ${full ? "full" : "free"}`);
    }
  }
  assert.match(outcome(stage.redis, "second") as string, /done/);
});

test("a script reads and writes numbers as on a real server", async () => {
  const numbers = `
    local n = tonumber(ARGV[1])
    local exact = n and math.abs(n) < 9007199254740992 and n or 0 -- clients round larger integers, each in its own way
    redis.call("SET", KEYS[1], n or "none")
    return { n and string.format("%.0f", n) or "none", redis.call("GET", KEYS[1]), exact, tostring(#KEYS), n == 1 }`;
  const words = [
    "",
    " ",
    "0",
    "-0",
    "+5",
    " 12\t",
    "1_0",
    "0x1F",
    "-0x10",
    "0x",
    "0x.8p3",
    "1e3",
    "1e",
    ".5",
    "5.",
    ".",
  ];
  words.push(
    "inf",
    "-Infinity",
    "nan",
    "infinit",
    "5\0",
    "é",
    "0.5",
    "1.5",
    "2.5",
    "-0.5",
    "1e15",
    "1e16",
    "1e17",
    "1e22",
  );
  words.push("1e-4", "1e-5", "123456.789e-10", "9007199254740993", "9223372036854775807", "1e300", "1e400", "1e-400");
  const random = mulberry32(seed());
  for (let i = 0; i < 200; i++) words.push(String((random() - 0.5) * 10 ** Math.floor(random() * 40 - 10)));
  await using server = await startRedis();
  const client = server.client();
  const stage = new Stage({ numbers });
  for (const word of words) {
    const real = await client.eval(numbers, 1, "key", word);
    assert.deepEqual(stage.redis.eval("numbers", ["key"], [word]), real, JSON.stringify(word));
  }
});

test("what is not simulated is an exception that no script can catch", () => {
  const stage = new Stage({
    unknown: 'redis.pcall("LPUSH", "k", "v") return "done"',
    format: 'pcall(string.format, "%d", 1) return "done"',
    option: 'redis.pcall("SET", "k", "v", "NX") return "done"',
  });
  for (const name of ["unknown", "format", "option", "absent"]) {
    assert.throws(() => stage.redis.eval(name, [], []), /not simulated|there is no script/, name);
  }
  assert.throws(() => stage.redis.info("stats"), /not simulated/);
});

test("a lease record comes back as it was packed, whatever the key and the trace", () => {
  const stage = new Stage();
  stage.open("e1");
  const odd = integer().map((n) => ({ key: randomKey(mulberry32(n), 60), trace: randomText(mulberry32(n + 1), 60) }));
  const any = record({ key: string({ unit: "binary", maxLength: 128 }), trace: string({ unit: "binary" }) });
  const roundTrip = property(oneof(odd, any), ({ key, trace }) => {
    stage.release(`p:l:${key}`);
    const [status, , granted] = stage.acquire("e1", `p:l:${key}`, trace) as string[];
    const [token, atMs] = granted!.split(" ");
    assert.equal(status, "ok");
    const lease = parseLease(key, stage.redis.get(`p:l:${key}`) ?? "");
    const numbers = { leaseNumber: 1, fencingToken: Number(token), acquiredAtMs: Number(atMs) };
    assert.deepEqual(lease, { key, sessionId, era: "e1", trace, ...numbers, ...exclusive });
  });
  assertProperty(roundTrip, { seed: seed() | 0, numRuns: 300 });
});

function held(redis: SimRedis): string[] {
  const keys = redis.snapshot().entries.map(({ key }) => key);
  return keys.filter((key) => key.startsWith("p:l:"));
}

function gone(redis: SimRedis): unknown {
  return (redis.eval("read-session", [session, session], ["p:c:locker.1", 0]) as unknown[])[1];
}

function outcome(redis: SimRedis, name: string): unknown {
  try {
    return redis.eval(name, [], []);
  } catch (error) {
    return (error as Error).message;
  }
}
