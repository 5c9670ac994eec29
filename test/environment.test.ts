import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { withEnvironment, type Environment } from "../src/environment.js";
import { root } from "./support/consumer.js";
import { defaultDatabaseUrl } from "../src/databases/default-database.js";
import { openUrl } from "../src/databases/open.js";
import { Locker, OptionError, PostgresDatabase } from "../src/index.js";
import type { Database, LockerOptions, RedisDatabase } from "../src/index.js";

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
    PULSELOCK_ENABLED: "true",
    HOME: "anywhere",
  };
  assert.deepEqual(withEnvironment({}, env), {
    database: url,
    lockTtlMs: 60_000,
    whenUnsure: "abort",
    drainOn: ["SIGTERM", "SIGINT"],
    labels: { release: "v7", note: "a=b" },
    localHandOffs: { count: 0 },
    enabled: true,
  });
});

test("without PULSELOCK_URL, REDIS_URL names the database; empty variables count as not set", () => {
  const empty = { PULSELOCK_URL: "", PULSELOCK_LOCK_TTL_MS: "", PULSELOCK_PREFIX: "" };
  assert.deepEqual(withEnvironment({}, { REDIS_URL: url, ...empty }), { database: url });
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
  ["PULSELOCK_FALLBACK_URL", "postgres://user@host/db", /is of no use without PULSELOCK_URL or REDIS_URL/],
  ["PULSELOCK_FALLBACK_URL", "redis://127.0.0.1", /must be a postgres:\/\/ URL/],
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

test("a rule about two options names the variable that breaks it, and none that the code overrules", () => {
  const make = (options: Partial<LockerOptions>, env: Environment) => () =>
    Locker.fromEnv(options, { REDIS_URL: url, ...env });
  assert.throws(
    make({}, { PULSELOCK_SESSION_TTL_MS: "400000" }),
    /^OptionError: lockTtlMs \(300000\) must .* sessionTtlMs \(400000\), as PULSELOCK_SESSION_TTL_MS has it$/,
  );
  assert.throws(
    make({}, { PULSELOCK_PING_INTERVAL_MS: "9000" }),
    /disconnectGraceMs .*as PULSELOCK_PING_INTERVAL_MS has/,
  );
  const overruled = make({ sessionTtlMs: 400_000 }, { PULSELOCK_SESSION_TTL_MS: "5000" });
  assert.throws(overruled, /sessionTtlMs \(400000\)$/);
});

test("what the code says goes before the environment, and its errors name the option", () => {
  assert.ok(Locker.fromEnv({ lockTtlMs: 20_000 }, { REDIS_URL: url, PULSELOCK_LOCK_TTL_MS: "500" }) instanceof Locker);
  const env = { REDIS_URL: url, PULSELOCK_LOCK_TTL_MS: "20000" };
  assert.throws(() => Locker.fromEnv({ lockTtlMs: 500 }, env), /^OptionError: lockTtlMs \(500\)/);
});

test("without any URL the database is the one that a locker without options has", () => {
  const { database } = withEnvironment({}, {});
  assert.match(String(database), /^sqlite:.*locks\.db$/);
});

test("a database that is given and undefined is a mistake, and not taken for none", () => {
  const given = { database: undefined } as unknown as Partial<LockerOptions>;
  assert.throws(() => Locker.fromEnv(given, { REDIS_URL: url }), OptionError);
});

test("a locker that is switched off asks for no database, whatever the environment says of one", () => {
  const off = { PULSELOCK_ENABLED: "0", REDIS_URL: "nonsense", PULSELOCK_PREFIX: "app:" };
  assert.deepEqual(withEnvironment({}, off), { enabled: false });
  assert.ok(Locker.fromEnv({}, off) instanceof Locker);
});

test("PULSELOCK_PREFIX goes before all keys in Redis, and is refused where it would do nothing", () => {
  const { database } = withEnvironment({}, { PULSELOCK_URL: url, PULSELOCK_PREFIX: "app:" });
  assert.match(inspect((database as RedisDatabase).describe()), /prefix: 'app:'/);
  const misused: [Partial<LockerOptions>, Environment][] = [
    [{}, { PULSELOCK_URL: "memory:" }],
    [{ database: url }, {}],
  ];
  for (const [options, env] of misused) {
    const make = () => Locker.fromEnv(options, { ...env, PULSELOCK_PREFIX: "app:" });
    assert.throws(make, /^OptionError: PULSELOCK_PREFIX \("app:"\) is /);
  }
});

test("PULSELOCK_FALLBACK_URL makes two tiers of both, also for a locker without options", () => {
  const env = { REDIS_URL: url, PULSELOCK_FALLBACK_URL: "postgres://user@host/db" };
  const { database } = withEnvironment({}, env);
  assert.equal(database, defaultDatabaseUrl(env));
  const described = openUrl(database as string).describe();
  assert.deepEqual(described, {
    type: "tiers",
    redis: { type: "url", url },
    postgres: new PostgresDatabase("postgres://user@host/db").describe(),
    settings: {},
  });
  const prefixed = withEnvironment({}, { ...env, PULSELOCK_PREFIX: "app:" }).database as Database;
  assert.match(inspect(prefixed.describe(), { depth: 4 }), /type: 'tiers'.*prefix: 'app:'/s);
  const onMemory = () => Locker.fromEnv({}, { ...env, PULSELOCK_URL: "memory:" });
  assert.throws(onMemory, /^OptionError: PULSELOCK_URL \("memory:"\)/);
});

test("no message has a password in it, nor what is printed of the error", () => {
  const urls = [
    ...["http://user:secret@host:6379/0", "http://:secret@host", "user:secret@host", "redi://u:se/cret@x:@host"],
    ...["redis+sentinel://user:secret@host:x/name", "http://host?password=secret"],
  ];
  for (const broken of urls) {
    const make = () => Locker.fromEnv({}, { REDIS_URL: broken });
    assert.throws(make, (error: OptionError) => {
      assert.match(error.message, /^REDIS_URL \(.*\*\*\*/, broken);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /se.?cret/, broken);
      return true;
    });
  }
  assert.throws(
    () => Locker.fromEnv({}, { PULSELOCK_PASSWORD: "secret" }),
    /^OptionError: PULSELOCK_PASSWORD \("\*\*\*"\)/,
  );
  const database = { host: "host", password: "secret" } as unknown as Database;
  assert.throws(
    () => new Locker({ database }),
    (error: Error) => !error.message.includes("secret"),
  );
});

test("the README's table names every variable", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const section = /### From the environment\n(.*?)\n##/s.exec(readme)?.[1] ?? "";
  const written = [...section.matchAll(/`(PULSELOCK|…)_([A-Z_]+)`/g)].map(([, , name]) => `PULSELOCK_${name}`);
  const unknown = () => withEnvironment({}, { PULSELOCK_TYPO: "1" });
  assert.throws(unknown, ({ rule }: OptionError) => {
    assert.deepEqual(written.toSorted(), rule.match(/PULSELOCK_[A-Z_]+/g)!.toSorted());
    return true;
  });
});
