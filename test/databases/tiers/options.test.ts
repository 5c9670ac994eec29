import assert from "node:assert/strict";
import test from "node:test";
import { Locker, OptionError, PostgresDatabase, RedisDatabase, TieredDatabase } from "../../../src/index.js";
import type { TieredDatabaseSettings } from "../../../src/index.js";

const redis = "redis://127.0.0.1:1";
const postgres = "postgres://user@127.0.0.1:1/db";
type Given = [redis: unknown, postgres: unknown, settings?: unknown];

/** What is given, and the option, the value and the rule that the error names. */
const refused: readonly [given: Given, option: string, value: unknown, rule: RegExp][] = [
  [[7, postgres], "redis", 7, /must be a URL or RedisDatabase/],
  [[new PostgresDatabase(postgres), postgres], "redis", undefined, /must be a URL or RedisDatabase/],
  [["localhost:6379", postgres], "database", "localhost:6379", /URL/],
  [[redis, undefined], "postgres", undefined, /must be a URL or PostgresDatabase/],
  [[redis, new RedisDatabase(redis)], "postgres", undefined, /must be a URL or PostgresDatabase/],
  [["redis+cluster://127.0.0.1:1", postgres], "redis", undefined, /must not be a cluster/],
  [[redis, redis], "database", redis, /postgres/],
  [[postgres, postgres], "database", postgres, /redis/],
  [[redis, postgres, { awayMs: 999 }], "awayMs", 999, /from 1000 to/],
  [[redis, postgres, { awayMs: "5s" }], "awayMs", "5s", /whole/],
  [[redis, postgres, { backMs: 0 }], "backMs", 0, /from 1000 to/],
  [[redis, postgres, { backMs: 1_000.5 }], "backMs", 1_000.5, /whole/],
  [[redis, postgres, { awayMS: 5_000 }], "awayMS", 5_000, /is not an option/],
];

for (const [given, option, value, rule] of refused) {
  test(`two tiers of ${given.map((one) => show(one)).join(", ")} are refused: ${option}`, () => {
    const make = () => new TieredDatabase(given[0] as string, given[1] as string, given[2] as TieredDatabaseSettings);
    assert.throws(make, (error: unknown) => {
      assert.ok(error instanceof OptionError);
      assert.equal(error.option, option);
      if (value !== undefined) assert.deepEqual(error.value, value);
      assert.match(error.rule, rule);
      return true;
    });
  });
}

test("limits that need a longer recovery than either store has are refused", () => {
  const database = new TieredDatabase(redis, postgres);
  const make = () => new Locker({ database, disconnectGraceMs: 4_000 });
  assert.throws(make, (error: unknown) => error instanceof OptionError && error.option === "recoveryMs");
});

function show(one: unknown): string {
  return one !== null && typeof one === "object" && one.constructor !== Object
    ? one.constructor.name
    : (JSON.stringify(one) ?? "nothing");
}
