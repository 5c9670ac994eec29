// Readers, permits and kept keys through the client, on a real server.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AcquireOptions, Lease, LockModeError, Locker } from "../../src/index.js";
import type { Child } from "../support/child.js";
import { lockersForFile } from "../support/file-lockers.js";
import { findBusy, newKey, openLocker, queueLength, spawnLocker, take } from "../support/lockers.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const { redis: server, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;
const redis = server.client();
const deadlineMs = 10_000;
const shared = { mode: "shared" } as const;

/** So many stand in the key's queue. */
const untilQueued = (key: string, count: number): Promise<unknown> =>
  waitUntil(() => queueLength(redis, prefix, key), count, { deadlineMs, what: `the queue of ${key}` });

type Waiting = { lease: Promise<Lease> };

const granted = ({ lease }: Waiting): Promise<Lease> => withDeadline(lease, 5_000, "the grant");

async function waiting(of: Locker, key: string, options: AcquireOptions, place: number): Promise<Waiting> {
  const lease = take(of, key, { waitMs: 60_000, ...options });
  lease.catch(() => undefined);
  await untilQueued(key, place);
  return { lease };
}

test("readers of one period hold a key together under one token, and a writer waits for the last of them", async () => {
  const key = newKey();
  const readers = [await take(locker, key, shared), await take(locker, key, shared), await take(other, key, shared)];
  assert.equal(new Set(readers.map(({ fencingToken }) => fencingToken)).size, 1);
  await findBusy(other, key);
  const writing = await waiting(other, key, {}, 1);
  const late = await waiting(locker, key, shared, 2); // not past the writer
  await Promise.all(readers.map((lease) => lease.heartbeat()));
  for (const reader of readers) await reader.release();
  const writer = await granted(writing);
  assert.ok(writer.fencingToken > readers[0]!.fencingToken);
  assert.equal((await findBusy(locker, key, shared)).holder.fencingToken, writer.fencingToken);
  await writer.release();
  const reader = await granted(late);
  assert.ok(reader.fencingToken > writer.fencingToken);
  await reader.release();
});

test("readers that wait behind a writer come in together once it has gone", async () => {
  const key = newKey();
  const writer = await take(locker, key);
  const readers = [await waiting(other, key, shared, 1), await waiting(locker, key, shared, 2)];
  await writer.release();
  const leases = await Promise.all(readers.map(granted));
  assert.equal(leases[0]?.fencingToken, leases[1]?.fencingToken);
  await Promise.all(leases.map((lease) => lease.release()));
});

test("permits are had by as many as there are, and the next by whoever waited first", async () => {
  const key = newKey();
  const permits = (take = 1): AcquireOptions => ({ permits: { limit: 3, take } });
  const two = await take(locker, key, permits(2));
  const one = await take(other, key, permits());
  await findBusy(other, key, permits());
  const wantsTwo = await waiting(other, key, permits(2), 1);
  const wantsOne = await waiting(locker, key, permits(), 2);
  await one.release();
  assert.equal(await queueLength(redis, prefix, key), 2, "one is free, but the first wants two");
  await two.release();
  const leases = await Promise.all([wantsTwo, wantsOne].map(granted));
  await Promise.all(leases.map((lease) => lease.heartbeat()));
  await Promise.all(leases.map((lease) => lease.release()));
});

test("another limit, or another mode, for a key that is in use is an error", async () => {
  const key = newKey();
  const lease = await take(locker, key, { permits: { limit: 3 } });
  await assert.rejects(other.acquire(key, { permits: { limit: 4 } }), { name: "LockModeError" });
  await assert.rejects(other.acquire(key, { waitMs: 1_000 }), { name: "LockModeError" });
  await lease.release();
});

test("a process that takes no more than its share leaves the rest to others", async () => {
  const key = newKey();
  const permits = { limit: 3, perProcess: 2 };
  const leases = [await take(locker, key, { permits }), await take(locker, key, { permits })];
  await findBusy(locker, key, { permits });
  leases.push(await take(other, key, { permits }));
  await Promise.all(leases.map((lease) => lease.release()));
});

test("the permits of a killed process come back, and its waiters hold up nobody", async () => {
  const key = newKey();
  const children: Child[] = await Promise.all([1, 2].map(() => spawnLocker(server.url, prefix)));
  const permits = { limit: 2 };
  for (const child of children) await child.request("acquire", key, { permits });
  const first = await waiting(locker, key, { permits: { ...permits, take: 2 } }, 1);
  const killedMs = performance.now();
  await Promise.all(children.map((child) => child.kill("SIGKILL")));
  const lease = await granted(first);
  assert.ok(performance.now() - killedMs < 2_500, `took ${performance.now() - killedMs} ms`);
  await lease.release();
});

test("who wants a key in another mode is told who uses it, and has it when that one is killed", async () => {
  const permits = { limit: 3 };
  for (const options of [{}, shared, { permits: { limit: 4 } }] as const) {
    const key = newKey();
    const child = await spawnLocker(server.url, prefix);
    await child.request("acquire", key, { permits });
    for (const waitMs of [0, 60_000]) {
      await assert.rejects(locker.acquire(key, { ...options, waitMs }), (error: LockModeError) => {
        assert.deepEqual([error.name, error.holder?.pid, error.holder?.key], ["LockModeError", child.pid, key]);
        assert.match(error.message, new RegExp(`; held by .*${child.pid}`));
        return true;
      });
    }
    await child.kill("SIGKILL");
    const killedMs = performance.now();
    await (await take(locker, key, { ...options, waitMs: 60_000 })).release();
    assert.ok(performance.now() - killedMs < 2_000, `took ${performance.now() - killedMs} ms`);
  }
});

test("a key that is kept after its job is busy until its time is over, and then goes to who waits", async () => {
  const key = newKey();
  const startedMs = performance.now();
  assert.equal((await locker.acquireAndRun(key, () => 7, { minHoldMs: 800 })).status, "SUCCESS");
  await findBusy(other, key);
  await granted(await waiting(other, key, {}, 1)).then((lease) => lease.release());
  assert.ok(performance.now() - startedMs >= 750);
  await assert.rejects(
    locker.acquireAndRun(key, () => Promise.reject(new Error("no")), { minHoldMs: 60_000 }),
    /no/,
  );
  await (await take(other, key)).release();
});

test("a release by hand counts as a success, whatever comes of the job; an end without it does not", async () => {
  const minHoldMs = 60_000;
  const [released, thrown, closed] = [newKey(), newKey(), newKey()];
  await (await take(locker, released, { minHoldMs })).release();
  await findBusy(other, released);
  const releasing = locker.acquireAndRun(
    thrown,
    async (_heartbeat, lease) => {
      await lease.release();
      throw new Error("no");
    },
    { minHoldMs },
  );
  await assert.rejects(releasing, /no/);
  await findBusy(other, thrown);
  const brief = openLocker(server.url, prefix);
  await take(brief, closed, { minHoldMs });
  await brief.close();
  await (await take(other, closed, { waitMs: 5_000 })).release();
});
