import assert from "node:assert/strict";
import { test } from "node:test";
import { readEnvironment, type Environment } from "../src/environment.js";
import { Locker, OptionError } from "../src/index.js";

const url = "redis://127.0.0.1:6379"; // nothing here connects to it

test("variables give the options of their names", () => {
  const env = {
    PULSELOCK_URL: url,
    REDIS_URL: "redis://elsewhere",
    PULSELOCK_LOCK_TTL_MS: "60000",
    PULSELOCK_WHEN_UNSURE: "abort",
    PULSELOCK_DRAIN_ON: "SIGTERM, SIGINT",
    PULSELOCK_LABELS: "release=v7,note=a=b",
    PULSELOCK_LOCAL_HAND_OFFS: "0",
    PULSELOCK_ENABLED: "false",
    HOME: "anywhere",
  };
  assert.deepEqual(readEnvironment(env), {
    database: url,
    lockTtlMs: 60_000,
    whenUnsure: "abort",
    drainOn: ["SIGTERM", "SIGINT"],
    labels: { release: "v7", note: "a=b" },
    localHandOffs: { count: 0 },
    enabled: false,
  });
});

test("without PULSELOCK_URL, REDIS_URL names the database; empty variables count as not set", () => {
  assert.deepEqual(readEnvironment({ REDIS_URL: url, PULSELOCK_URL: "", PULSELOCK_LOCK_TTL_MS: "" }), {
    database: url,
  });
  assert.deepEqual(readEnvironment({}), {});
});

const broken: [variable: string, text: string, rule: RegExp][] = [
  ["PULSELOCK_LOCK_TTL", "60000", /is none of PULSELOCK_URL,/],
  ["PULSELOCK_", "1", /is none of/],
  ["PULSELOCK_toString", "1", /is none of/],
  ["PULSELOCK_LOCK_TTL_MS", "5m", /must be a number/],
  ["PULSELOCK_LOCK_TTL_MS", "0x1000", /must be a number/],
  ["PULSELOCK_LOCK_TTL_MS", " 60000", /must be a number/],
  ["PULSELOCK_LOCK_TTL_MS", "60000.5", /must be a whole number of ms .*\(option lockTtlMs\)/],
  ["PULSELOCK_LOCK_TTL_MS", "500", /must be at least sessionTtlMs .*\(option lockTtlMs\)/],
  ["PULSELOCK_ENABLED", "yes", /must be true, false, 1 or 0/],
  ["PULSELOCK_WHEN_UNSURE", "hope", /must be "wait" or "abort" \(option whenUnsure\)/],
  ["PULSELOCK_SEPPUKU", "sword", /must be "throw" or "kill"/],
  ["PULSELOCK_DRAIN_ON", "TERM", /must list signals/],
  ["PULSELOCK_LABELS", "v7", /must be like release=v7,zone=b/],
  ["PULSELOCK_LABELS", "=v7", /must be like release=v7,zone=b/],
  ["PULSELOCK_LOCAL_HAND_OFFS", "-1", /whole number from 0/],
  ["PULSELOCK_WORKER_PATH", "worker.js", /must be the absolute path of a file/],
  ["PULSELOCK_URL", "localhost:6379", /URL/],
  ["REDIS_URL", "localhost:6379", /URL/],
];

test("a variable that is misspelt, or whose value is bad, is refused by its name", () => {
  for (const [variable, text, rule] of broken) {
    const env: Environment = variable.endsWith("URL") ? { [variable]: text } : { REDIS_URL: url, [variable]: text };
    assert.throws(
      () => Locker.fromEnv({}, env),
      (error) => {
        assert.ok(error instanceof OptionError, `${variable}: ${String(error)}`);
        assert.ok(error.message.startsWith(`${variable} (`), error.message);
        assert.match(error.rule, rule, variable);
        return true;
      },
    );
  }
});

test("what the code says goes before the environment, and its errors name the option", () => {
  assert.ok(Locker.fromEnv({ lockTtlMs: 20_000 }, { REDIS_URL: url, PULSELOCK_LOCK_TTL_MS: "500" }) instanceof Locker);
  const env = { REDIS_URL: url, PULSELOCK_LOCK_TTL_MS: "20000" };
  assert.throws(() => Locker.fromEnv({ lockTtlMs: 500 }, env), /^OptionError: lockTtlMs \(500\)/);
});

test("no message has a password in it", () => {
  assert.throws(
    () => Locker.fromEnv({}, { REDIS_URL: "http://user:secret@host:6379/0" }),
    (error: Error) => error.message.includes("user:***@host") && !error.message.includes("secret"),
  );
});
