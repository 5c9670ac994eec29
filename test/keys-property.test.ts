// Whatever the key: what fast-check can think of goes through a real Redis.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LockStatus, OptionError } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { findBusy, take } from "./support/lockers.js";
import { seed } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

/** "binary": every code point; fast-check leans towards the odd ones, and the lengths towards the limits. */
const text = fc.string({ unit: "binary", minLength: 1, maxLength: 300 });
const fits = (key: string): boolean => key !== "" && key.isWellFormed() && Buffer.byteLength(key) <= 1_024;
const keys = fc.uniqueArray(text.filter(fits), { minLength: 1, maxLength: 20 });

test("any set of different keys is held, found busy and given back, each under its own name", async () => {
  const client = redis.client();
  const together = async (names: string[]): Promise<void> => {
    const leases = await Promise.all(names.map((key) => take(locker, key, { trace: key })));
    const holders = await Promise.all(names.map((key) => findBusy(other, key)));
    assert.deepEqual(
      holders.map(({ holder }) => [holder.key, holder.trace, holder.fencingToken]),
      leases.map(({ key, fencingToken }) => [key, key, fencingToken]),
    );
    const stored = await client.keysBuffer(`${prefix}l:*`);
    const expected = names.map((key) => Buffer.from(`${prefix}l:${key}`));
    assert.deepEqual(stored.toSorted(Buffer.compare), expected.toSorted(Buffer.compare));
    await Promise.all(leases.map((lease) => lease.release()));
    assert.equal((await client.keysBuffer(`${prefix}l:*`)).length, 0);
  };
  await fc.assert(fc.asyncProperty(keys, together), { seed: seed(), numRuns: 150 });
});

test("a key that the store could not keep apart from another is refused, and nothing is written", async () => {
  const bad = fc.oneof(
    fc.tuple(text, fc.integer({ min: 0xd800, max: 0xdfff })).map(([start, unit]) => start + String.fromCharCode(unit)),
    fc
      .tuple(text, fc.integer({ min: 0xd800, max: 0xdfff }))
      .map(([end, unit]) => `${String.fromCharCode(unit)} ${end}`),
    fc.string({ unit: "binary", minLength: 1_025, maxLength: 1_100 }),
    fc.constant(""),
  );
  const isRefused = async (key: string): Promise<void> => {
    assert.equal(fits(key), false);
    await assert.rejects(locker.acquire(key), (error) => error instanceof OptionError && error.option === "key");
  };
  await fc.assert(fc.asyncProperty(bad, isRefused), { seed: seed(), numRuns: 300 });
  assert.deepEqual(await redis.client().keys(`${prefix}l:*`), []);
});

test("whatever the last token was, the next is larger by whole ones, and no digit is lost", async () => {
  const client = redis.client();
  await (await take(locker, "key")).release();
  const grows = async (fence: number): Promise<void> => {
    await client.hset(`${prefix}n`, "fence", String(fence));
    const tokens: number[] = [];
    for (let i = 0; i < 2; i++) {
      const acquired = await locker.acquire("key");
      assert.equal(acquired.status, LockStatus.SUCCESS);
      tokens.push(acquired.lease.fencingToken);
      await acquired.lease.release();
    }
    const [first = 0, second = 0] = tokens;
    const nowUs = Date.now() * 1_000;
    assert.ok(fence < nowUs - 60_000_000 ? first > nowUs - 60_000_000 : first > fence, `${fence} → ${first}`);
    if (fence > nowUs + 60_000_000) assert.deepEqual(tokens, [fence + 1, fence + 2]);
    assert.ok(second > first && Number.isSafeInteger(second), `${first} → ${second}`);
  };
  const fences = fc.oneof(
    fc.integer({ min: 0, max: 2 ** 53 - 10 }),
    fc.integer({ min: 2 ** 53 - 1_000, max: 2 ** 53 - 10 }),
  );
  await fc.assert(fc.asyncProperty(fences, grows), { seed: seed(), numRuns: 100 });
  await client.hdel(`${prefix}n`, "fence");
});
