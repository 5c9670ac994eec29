import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Locker, OptionError, RedisDatabase, type LockerOptions, type RedisDatabaseSettings } from "../src/index.js";
import { resolveOptions } from "../src/options.js";
import { closeServer, freePort, listen } from "./support/ports.js";

const url = "redis://127.0.0.1:6379"; // nothing here connects to it

type Broken = [options: Record<string, unknown>, option: string, value: string, rule: RegExp];

const durations = ["lockTtlMs", "sessionTtlMs", "pingIntervalMs", "disconnectGraceMs", "acquireTimeoutMs"];
const otherDurations = ["drainTimeoutMs", "drainAbortMs", "closeTimeoutMs", "killAfterMs"];
const wholeMs = /must be a whole number of ms from 1 to 2147483647/;

const broken: Broken[] = [
  ...[...durations, ...otherDurations].flatMap((name): Broken[] => [
    [{ [name]: 0 }, name, "0", wholeMs],
    [{ [name]: -5 }, name, "-5", wholeMs],
    [{ [name]: 1.5 }, name, "1.5", wholeMs],
    [{ [name]: NaN }, name, "NaN", wholeMs],
    [{ [name]: Infinity }, name, "Infinity", wholeMs],
    [{ [name]: "500" }, name, '"500"', wholeMs],
    [{ [name]: null }, name, "null", wholeMs],
    [{ [name]: 2 ** 31 }, name, "2147483648", wholeMs],
  ]),
  [{ pingIntervalMs: 19 }, "pingIntervalMs", "19", /must be at least 20/],
  [{ pingIntervalMs: 700 }, "disconnectGraceMs", "1500", /at least 2 × pingIntervalMs and a margin .*\(here 1600\)/],
  [{ disconnectGraceMs: 1_199 }, "disconnectGraceMs", "1199", /\(here 1200\)/],
  [{ sessionTtlMs: 1_500 }, "sessionTtlMs", "1500", /must be more than disconnectGraceMs \(1500\)/],
  [{ lockTtlMs: 9_999 }, "lockTtlMs", "9999", /must be at least sessionTtlMs \(10000\)/],
  [{ whenUnsure: "hope" }, "whenUnsure", '"hope"', /must be "wait" or "abort"/],
  [{ seppuku: "sword" }, "seppuku", '"sword"', /must be "throw" or "kill"/],
  [{ enabled: "no" }, "enabled", '"no"', /must be true or false/],
  [{ drainOn: "SIGTERM" }, "drainOn", '"SIGTERM"', /must list signals/],
  [{ drainOn: ["TERM"] }, "drainOn", "[ 'TERM' ]", /must list signals/],
  [{ drainOn: ["SIGKILL"] }, "drainOn", "[ 'SIGKILL' ]", /must list signals/],
  [{ drainOn: ["SIGTERM", "SIGTERN"] }, "drainOn", "[ 'SIGTERM', 'SIGTERN' ]", /must list signals/],
  [{ labels: { release: 7 } }, "labels", "{ release: 7 }", /must be a plain object of strings, 4096 bytes/],
  [
    { labels: { big: "x".repeat(4_096) } },
    "labels",
    `{ big: '${"x".repeat(52)}… 4107 characters`,
    /4096 bytes of JSON at most/,
  ],
  [{ labels: new Map() }, "labels", "Map(0) {}", /must be a plain object/],
  [{ sessionTtlMs: 1_800_001, lockTtlMs: 2_000_000 }, "sessionTtlMs", "1800001", /must be at most 1800000/],
  [{ labels: "v7" }, "labels", '"v7"', /must be a plain object of strings, 4096 bytes/],
  [{ workerPath: "" }, "workerPath", '""', /must be the absolute path of a file/],
  [{ workerPath: "worker.js" }, "workerPath", '"worker.js"', /must be the absolute path of a file/],
  [{ workerPath: "/no/such/file.js" }, "workerPath", '"/no/such/file.js"', /must be the absolute path of a file/],
  [{ localHandOffs: 5 }, "localHandOffs", "5", /must be a plain object of count and ms/],
  [{ localHandOffs: { counts: 5 } }, "localHandOffs.counts", "5", /is not an option/],
  ...[-1, 1.5, NaN, Infinity, 2 ** 31].map((count): Broken => {
    return [{ localHandOffs: { count } }, "localHandOffs.count", `${count}`, /must be a whole number from 0 to/];
  }),
  ...[0, -1, 1.5, NaN, Infinity].map((ms): Broken => {
    return [{ localHandOffs: { ms } }, "localHandOffs.ms", `${ms}`, wholeMs];
  }),
  [{ lockTTL: 5 }, "lockTTL", "5", /is not an option/],
  [{ database: undefined }, "database", "undefined", /must be a URL, \{ moduleName, exportName \} or a database/],
  [{ database: 6379 }, "database", "6379", /must be a URL/],
  [{ database: "localhost:6379" }, "database", '"localhost:6379"', /must be a URL that begins with redis:/],
  [{ database: { moduleName: "./db.js" } }, "database.exportName", "undefined", /must be a non-empty string/],
  [{ database: { moduleName: "", exportName: "db" } }, "database.moduleName", '""', /must be a non-empty string/],
];

test("every bad option is refused at construction, by its name, its value and its rule", () => {
  for (const [options, option, value, rule] of broken) {
    const label = JSON.stringify(options);
    assert.throws(
      () => new Locker({ database: url, ...options } as unknown as LockerOptions),
      (error) => {
        assert.ok(error instanceof OptionError && error instanceof TypeError, `${label}: ${String(error)}`);
        assert.equal(error.name, "OptionError");
        assert.equal(error.option, option, label);
        assert.ok(error.message.startsWith(`${option} (${value}) `), `${label}: ${error.message}`);
        assert.match(error.rule, rule, label);
        return true;
      },
    );
  }
});

test("options that are no object are refused", () => {
  for (const given of [null, url, 7]) {
    assert.throws(() => new Locker(given as unknown as LockerOptions), OptionError);
  }
});

test("the defaults are the documented ones", () => {
  const { database: _database, ...defaults } = resolveOptions({ database: url });
  assert.deepEqual(defaults, {
    lockTtlMs: 300_000,
    sessionTtlMs: 10_000,
    pingIntervalMs: 500,
    disconnectGraceMs: 1_500,
    acquireTimeoutMs: 10_000,
    drainTimeoutMs: 30_000,
    drainAbortMs: 5_000,
    closeTimeoutMs: 1_000,
    killAfterMs: 10_000,
    whenUnsure: "wait",
    seppuku: "throw",
    drainOn: [],
    labels: {},
    localHandOffs: { count: 1_000, ms: 50 },
    enabled: true,
    workerPath: fileURLToPath(new URL("../worker/thread.cjs", import.meta.url)),
  });
});

test("hand-offs inside the process are bounded by one number alone, or switched off", () => {
  const handOffs = (localHandOffs: object) => resolveOptions({ database: url, localHandOffs }).localHandOffs;
  assert.deepEqual(handOffs({ count: 0 }), { count: 0, ms: 50 });
  assert.deepEqual(handOffs({ ms: 5 }), { count: 1_000, ms: 5 });
});

test("an option given as undefined has its default", () => {
  assert.equal(resolveOptions({ database: url, lockTtlMs: undefined } as unknown as LockerOptions).lockTtlMs, 300_000);
});

test("a recovery window that trust could outlive is refused, with the least that is enough", () => {
  const database = new RedisDatabase(url, { recoveryMs: 2_299 });
  assert.throws(() => new Locker({ database }), /recoveryMs \(2299\) must be at least .*\(here 2300\)/);
});

test("bad settings of a RedisDatabase are refused by name", () => {
  assert.throws(
    () => new RedisDatabase(url, { recoveryMs: 0 }),
    /recoveryMs \(0\) must be a whole number of ms from 1/,
  );
  assert.throws(() => new RedisDatabase(url, { commandTimeoutMs: 0.5 }), /commandTimeoutMs \(0.5\) must be a whole/);
  assert.throws(
    () => new RedisDatabase(url, { recoveryMs: 3_600_001 }),
    /recoveryMs \(3600001\) must be at most 3600000/,
  );
  const misspelt = { recoveryMS: 700 } as unknown as RedisDatabaseSettings;
  assert.throws(() => new RedisDatabase(url, misspelt), /recoveryMS .*is not an option/);
  assert.throws(() => new RedisDatabase(url, { prefix: "" }), /prefix \(""\) must be a non-empty string/);
  assert.throws(() => new RedisDatabase(7 as unknown as string), /must be an ioredis client, its options, a URL/);
  assert.throws(() => new RedisDatabase({ sentinels: [{ host: "a" }] }), /name .* must name the master/);
});

test("constructing a locker opens no connection, and closing it unused does not either", async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const port = await freePort();
  assert.ok(await listen(server, port));
  const unused = new Locker({ database: `redis://127.0.0.1:${port}` });
  await unused.drain();
  await unused.close();
  await closeServer(server);
  assert.equal(connections, 0);
});
