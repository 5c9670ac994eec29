import assert from "node:assert/strict";
import { test } from "node:test";
import { LockStatus, OptionError, type AcquireOptions } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey } from "./support/lockers.js";

const { redis, prefix, lockers } = await lockersForFile({});
const [locker] = lockers;

type Broken = [options: Record<string, unknown>, message: RegExp];

const fractions = [0.5, NaN, Infinity, "1", null] as const;
const wholeFrom1 = "must be a whole number from 1 to 2147483647";
const notWhole = (option: string) => new RegExp(`^${option.replace(".", "\\.")} \\(.*\\) ${wholeFrom1}$`);

const broken: Broken[] = [
  [{ mode: "write" }, /^mode \("write"\) must be "exclusive" or "shared"$/],
  [{ mode: "permits" }, /^mode \("permits"\) must be "exclusive" or "shared"$/],
  [{ mode: null }, /^mode \(null\) must be/],
  [{ permits: 3 }, /^permits \(3\) must be a plain object of limit, take and perProcess$/],
  [{ permits: null }, /^permits \(null\) must be a plain object/],
  [{ permits: [] }, /^permits \(\[\]\) must be a plain object/],
  [{ permits: {} }, /^permits\.limit \(undefined\) must be a whole number from 1 to/],
  [{ permits: { limit: 3, takes: 1 } }, /^permits\.takes \(1\) is not an option$/],
  ...[0, -1, ...fractions].flatMap((value): Broken[] => [
    [{ permits: { limit: value } }, notWhole("permits.limit")],
    [{ permits: { limit: 3, take: value } }, notWhole("permits.take")],
    [{ permits: { limit: 3, perProcess: value } }, notWhole("permits.perProcess")],
  ]),
  [{ permits: { limit: 3, take: 4 } }, /^permits\.take \(4\) must be at most permits\.limit \(3\)$/],
  [
    { permits: { limit: 3, take: 2, perProcess: 1 } },
    /^permits\.perProcess \(1\) must be at least permits\.take \(2\)$/,
  ],
  [{ permits: { limit: 3, perProcess: 4 } }, /^permits\.perProcess \(4\) must be at most permits\.limit \(3\)$/],
  [{ permits: { limit: 3 }, mode: "shared" }, /^permits \(\{ limit: 3 \}\) cannot go with mode/],
  [{ permits: { limit: 3 }, mode: "exclusive" }, /^permits \(\{ limit: 3 \}\) cannot go with mode/],
  ...[-1, ...fractions].flatMap((minHoldMs): Broken[] => [
    [{ minHoldMs }, /^minHoldMs \(.*\) must be a whole number of ms from 0 to 2147483647$/],
  ]),
  [{ minHoldMs: 5, mode: "shared" }, /^minHoldMs \(5\) needs an exclusive lease$/],
  [{ minHoldMs: 5, permits: { limit: 3 } }, /^minHoldMs \(5\) needs an exclusive lease$/],
  [{ hierarchical: 1 }, /^hierarchical \(1\) must be true or false$/],
  [{ reentrant: "yes" }, /^reentrant \("yes"\) must be true or false$/],
  [{ hierarchical: true, permits: { limit: 3 } }, /^hierarchical \(true\) cannot go with permits$/],
  [{ hierarchical: true, minHoldMs: 5 }, /^hierarchical \(true\) cannot go with minHoldMs/],
  [{ hierarchical: true, reentrant: true }, /^hierarchical \(true\) cannot go with reentrant$/],
  [{ waitMs: -1 }, /^waitMs \(-1\) must be a number of ms ≥ 0, or Infinity$/],
  [{ waitMs: NaN }, /^waitMs \(NaN\) must be/],
];

test("a bad mode, number of permits, hold or scope is refused by name, value and rule, nothing written", async () => {
  for (const [options, message] of broken) {
    const key = newKey();
    const asked = options as AcquireOptions;
    const fail = (): never => assert.fail("it ran");
    for (const acquire of [
      () => locker.acquire(key, asked),
      () => locker.mutex(key, fail, asked),
      () => locker.acquireAndRun(key, fail, asked),
    ]) {
      await assert.rejects(acquire, (error) => {
        assert.ok(error instanceof OptionError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(await redis.client().exists(`${prefix}l:${key}`), 0);
  }
});

test("a hierarchical key is names joined by single slashes", async () => {
  for (const key of ["/doc", "doc/", "doc//12", "/"]) {
    const rule = /^OptionError: key \(".*"\) must be names joined by single slashes when hierarchical$/;
    await assert.rejects(locker.acquire(key, { hierarchical: true }), rule);
    const plain = await locker.acquire(key);
    assert.ok(plain.status === LockStatus.SUCCESS);
    await plain.lease.release();
  }
});
