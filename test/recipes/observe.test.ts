import assert from "node:assert/strict";
import { test } from "node:test";
import type { Holder } from "../../src/index.js";
import { observe } from "../../src/recipes/index.js";
import { lockersForFile } from "../support/file-lockers.js";
import { newKey, openLocker, take } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

const soon = <T>(promise: Promise<T>, what: string): Promise<T> => withDeadline(promise, 5_000, what);

test("an observer is told who leads at once, and of every change", async () => {
  const role = newKey("role");
  const tokens: (number | undefined)[] = [];
  const leaders = observe(locker, role, { everyMs: 20 });
  const next = async (): Promise<Holder | undefined> => {
    const { value, done } = await soon(leaders.next(), "the next leader");
    assert.ok(done !== true);
    tokens.push(value?.fencingToken);
    return value;
  };
  assert.equal(await next(), undefined);
  const first = await take(other, role, { trace: "the first" });
  assert.equal((await next())?.trace, "the first");
  await first.release();
  assert.equal(await next(), undefined);
  const second = await take(locker, role, { trace: "the second" });
  assert.equal((await next())?.trace, "the second");
  assert.deepEqual(tokens, [undefined, first.fencingToken, undefined, second.fencingToken]);
  await Promise.all([soon(leaders.return!(), "the end"), second.release()]);
});

test("an iteration ends by break, by its signal and by the locker's close", async () => {
  const role = newKey("role");
  for await (const leader of observe(locker, role)) {
    assert.equal(leader, undefined);
    break;
  }
  const stop = new AbortController();
  const own = openLocker(redis.url, prefix);
  const readAll = async (leaders: AsyncIterable<unknown>): Promise<number> => {
    let count = 0;
    for await (const _leader of leaders) count += 1;
    return count;
  };
  const bySignal = readAll(observe(locker, role, { signal: stop.signal, everyMs: 60_000 }));
  const byClose = readAll(observe(own, role, { everyMs: 20 }));
  stop.abort();
  assert.ok((await soon(bySignal, "the end by the signal")) <= 1);
  assert.equal(await soon(readAll(observe(locker, role, { signal: stop.signal })), "the end at once"), 0);
  await own.acquireAndRun(newKey(), () => undefined);
  await own.close();
  assert.ok((await soon(byClose, "the end by close()")) <= 1);
});

test("an observer that waits for a change ends when its iterator is returned", async () => {
  const leaders = observe(locker, newKey("role"), { everyMs: 60_000 });
  await soon(leaders.next(), "the first answer");
  const waiting = leaders.next();
  const returned = leaders.return!();
  const done = { done: true, value: undefined };
  assert.deepEqual(await soon(Promise.all([waiting, returned]), "the end"), [done, done]);
  assert.deepEqual(await leaders.next(), done);
});

test("an observer outlasts a store that is away and comes back empty", async () => {
  await using server = await startRedis();
  await using watching = openLocker(server.url, prefix, { acquireTimeoutMs: 300 });
  await using leading = openLocker(server.url, prefix);
  const role = newKey("role");
  await using lease = await take(leading, role);
  const seen: unknown[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const leader of observe(watching, role, { everyMs: 20, signal: stop.signal })) {
      seen.push(leader?.fencingToken);
    }
  })();
  await waitUntil(() => seen, [lease.fencingToken], { deadlineMs: 5_000, what: "the leader" });
  await server.restart({ keepData: false });
  await assert.doesNotReject(lease.heartbeat());
  const again = { deadlineMs: 5_000, what: "the lease in the store" };
  await waitUntil(async () => (await watching.readHolder(role))?.fencingToken, lease.fencingToken, again);
  await lease.release();
  await waitUntil(() => seen.at(-1), undefined, { deadlineMs: 5_000, what: "the end of that leader" });
  stop.abort();
  await soon(reading, "the end of the iteration");
});
