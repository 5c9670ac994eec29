import assert from "node:assert/strict";
import { test } from "node:test";
import { LockStatus, type AcquireOptions } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, take } from "./support/lockers.js";
import { assertRefused } from "./support/refusals.js";

const store = await lockersForFile({}, {});
const [locker, other] = store.lockers;

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
  ...[-1, -Infinity, NaN, "1", null].flatMap((waitMs): Broken[] => [
    [{ waitMs }, /^waitMs \(.*\) must be a number of ms ≥ 0, or Infinity$/],
  ]),
  [{ waitMS: 5 }, /^waitMS \(5\) is not an option$/],
  [{ lockTtlMs: 1_999 }, /^lockTtlMs \(1999\) must be at least sessionTtlMs \(2000\)$/],
  [{ lockTtlMs: NaN }, /^lockTtlMs \(NaN\) must be a whole number of ms from 1 to 2147483647$/],
  [{ trace: 5 }, /^trace \(5\) must be text of ≤ 1 KiB$/],
  [{ trace: "é".repeat(513) }, /^trace \("é{60}… 513 characters"\) must be text of ≤ 1 KiB$/],
  [{ signal: {} }, /^signal \(\{\}\) must be an AbortSignal$/],
];

const fail = (): never => assert.fail("it ran");

test("a bad option is refused by name, value and rule, by every way to acquire, nothing written", async () => {
  for (const [options, message] of broken) {
    const key = newKey();
    const asked = options as AcquireOptions;
    await assertRefused(store, message, [
      () => locker.acquire(key, asked),
      () => locker.mutex(key, fail, asked),
      () => locker.acquireAndRun(key, fail, asked),
    ]);
  }
});

test("options that are no object are refused", async () => {
  for (const given of [null, 5, "waitMs"] as unknown as AcquireOptions[]) {
    await assertRefused(store, /^options \(.*\) must be a plain object$/, [
      () => locker.acquire("key", given),
      () => locker.mutex("key", fail, given),
      () => locker.acquireAll(["key"], given),
      () => locker.revoke("key", given as object),
    ]);
  }
});

test("a key in use is refused to who says another limit or mode, waiting or not, nothing written", async () => {
  const [pool, single, readers] = [newKey("pool"), newKey("single"), newKey("readers")];
  await using _units = await take(locker, pool, { permits: { limit: 3 } });
  await using _lease = await take(locker, single);
  await using _share = await take(locker, readers, { mode: "shared" });
  const limit = /^permits\.limit \(4\) of "pool-.*" must be that with which it is in use, 3; held by /;
  const modeOf = (mode: string, known: string) =>
    new RegExp(`^mode \\("${mode}"\\) of ".*" .* in which the key is in use \\(${known}\\); held by `);
  const cases: [string, AcquireOptions, RegExp][] = [
    [pool, { permits: { limit: 4 } }, limit],
    [pool, {}, modeOf("exclusive", "permits")],
    [pool, { mode: "shared" }, modeOf("shared", "permits")],
    [single, { permits: { limit: 3 } }, modeOf("permits", "exclusive")],
    [readers, { permits: { limit: 3 } }, modeOf("permits", "shared")],
  ];
  for (const [key, options, message] of cases) {
    for (const who of [locker, other]) {
      const waiting = { ...options, waitMs: 5_000 };
      await assertRefused(store, message, [
        () => who.acquire(key, options),
        () => who.acquire(key, waiting),
        () => who.acquireAndRun(key, fail, options),
        () => who.mutex(key, fail, options),
      ]);
    }
  }
  await assertRefused(store, modeOf("shared", "permits"), [
    () => other.acquireAll([newKey(), { key: pool, mode: "shared" }]),
    () => other.acquireAll([newKey(), { key: pool, mode: "shared" }], { waitMs: 5_000 }),
  ]);
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
