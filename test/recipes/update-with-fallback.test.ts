import assert from "node:assert/strict";
import { test } from "node:test";
import type { Redis } from "ioredis";
import type { Locker } from "../../src/index.js";
import { updateWithFallback, type Update } from "../../src/recipes/index.js";
import { lockersForFile } from "../support/file-lockers.js";
import { findBusy, newKey, openLocker, take } from "../support/lockers.js";
import { withDeadline } from "../support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

/** A counter in memory; before each write that is named, somebody else writes. */
function counter(conflictsAt: readonly number[] = []) {
  const stored = { value: 0, version: 0, writes: 0, tokens: [] as (number | undefined)[] };
  const update: Update<number, number> = {
    read: () => Promise.resolve({ value: stored.value, version: stored.version }),
    change: (value) => value + 1,
    write: (value, version, fencingToken) => {
      stored.tokens.push(fencingToken);
      if (conflictsAt.includes(++stored.writes)) {
        stored.value += 100;
        stored.version += 1;
      }
      if (version !== stored.version) return Promise.resolve(false);
      Object.assign(stored, { value, version: version + 1 });
      return Promise.resolve(true);
    },
  };
  return { stored, update };
}

test("an update that nobody disturbs takes no lease, also while another has it", async () => {
  const key = newKey();
  await using _lease = await take(other, key);
  const { update, stored } = counter();
  const updated = await withDeadline(updateWithFallback(locker, key, update), 5_000, "the update");
  assert.deepEqual(updated, { value: 1, conflicts: 0, fencingToken: undefined });
  assert.deepEqual(stored.tokens, [undefined]);
});

test("two conflicts in a row are tried again without a lease", async () => {
  const { update } = counter([1, 2]);
  const updated = await updateWithFallback(locker, newKey(), update);
  assert.deepEqual(updated, { value: 201, conflicts: 2, fencingToken: undefined });
});

test("after three conflicts in a row it is written under the lease, with its token, and still compared", async () => {
  const key = newKey();
  const { update, stored } = counter([1, 2, 3, 4]);
  const write: typeof update.write = async (value, version, fencingToken) => {
    if (fencingToken !== undefined) await findBusy(other, key);
    return update.write(value, version, fencingToken);
  };
  const updated = await updateWithFallback(locker, key, { ...update, write });
  const { fencingToken = 0 } = updated;
  assert.deepEqual(updated, { value: 401, conflicts: 4, fencingToken });
  assert.ok(fencingToken > 0);
  assert.deepEqual(stored.tokens, [undefined, undefined, undefined, fencingToken, fencingToken]);
  await (await take(other, key)).release();
});

test("conflictsMax 0 takes the lease at once; waitMs bounds the wait for it; a signal ends the tries", async () => {
  const key = newKey();
  const { update, stored } = counter();
  const direct = await updateWithFallback(locker, key, update, { conflictsMax: 0 });
  assert.ok(direct.fencingToken !== undefined && direct.conflicts === 0);
  await using _lease = await take(other, key);
  await assert.rejects(updateWithFallback(locker, key, update, { conflictsMax: 0, waitMs: 50 }), {
    name: "LockTimeoutError",
  });
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(updateWithFallback(locker, key, update, { signal }), /enough/);
  assert.equal(stored.writes, 1);
});

test("what read, change and write throw is thrown, and the lease is given back", async () => {
  const key = newKey();
  const throwing = (): never => {
    throw new Error("its own");
  };
  for (const part of ["read", "change", "write"] as const) {
    for (const conflictsMax of [3, 0]) {
      const update = { ...counter().update, [part]: throwing };
      await assert.rejects(updateWithFallback(locker, key, update, { conflictsMax }), /its own/);
    }
  }
  await (await take(other, key)).release();
});

/** A counter in Redis: written if the version is still that one, unless a larger token was seen. */
const script = `
  local version, fence = redis.call("HGET", KEYS[1], "version") or "0", redis.call("HGET", KEYS[1], "fence") or "0"
  if tonumber(ARGV[3]) > 0 then
    if tonumber(ARGV[3]) < tonumber(fence) then return -1 end
    redis.call("HSET", KEYS[1], "fence", ARGV[3])
  end
  if version ~= ARGV[1] then return 0 end
  redis.call("HSET", KEYS[1], "value", ARGV[2], "version", version + 1)
  return 1`;

function storedCounter(client: Redis, name: string): Update<number, number> {
  return {
    read: async () => {
      const [value, version] = await client.hmget(name, "value", "version");
      return { value: Number(value), version: Number(version) };
    },
    change: (value) => value + 1,
    write: async (value, version, fencingToken = 0) => {
      const answer = await client.eval(script, 1, name, version, value, fencingToken);
      if (answer === -1) throw new Error("a holder with an older token");
      return answer === 1;
    },
  };
}

test("of updates that six lockers make at once in Redis none is lost, and some needed the lease", async () => {
  const [key, name] = [newKey(), newKey("register")];
  const lockers = [locker, other, ...[1, 2, 3, 4].map(() => openLocker(redis.url, prefix))];
  const clients = lockers.map(() => redis.client());
  const times = 40;
  const updateOften = async (by: Locker, index: number) => {
    const tokens: number[] = [];
    for (let i = 0; i < times; i++) {
      const { fencingToken } = await updateWithFallback(by, key, storedCounter(clients[index]!, name));
      if (fencingToken !== undefined) tokens.push(fencingToken);
    }
    return tokens;
  };
  const tokens = await withDeadline(Promise.all(lockers.map(updateOften)), 60_000, "all updates");
  assert.equal(await clients[0]!.hget(name, "value"), String(lockers.length * times));
  assert.ok(tokens.flat().length > 0, "nobody needed the lease");
  assert.equal(new Set(tokens.flat()).size, tokens.flat().length);
  await Promise.all(lockers.slice(2).map((each) => each.close()));
});
