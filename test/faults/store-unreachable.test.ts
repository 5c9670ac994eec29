// Redis is not there yet, or bytes get lost on the way to it: what is asked ends in time and leaves nothing behind.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StoreError } from "../../src/index.js";
import { fastSettings, newPrefix, openLocker, take } from "../support/lockers.js";
import { freePort } from "../support/ports.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil, withDeadline } from "../support/wait.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { storeErrorOf, takePatiently } from "./fixtures/store-answers.js";

/** What a machine that is busy with other tests may add to a limit, ms. */
const slackMs = 1_500;

async function rejectsWithin(promise: Promise<unknown>, fromMs: number, toMs: number): Promise<StoreError> {
  const startedMs = performance.now();
  const error = await storeErrorOf(promise, toMs + slackMs);
  const tookMs = performance.now() - startedMs;
  assert.equal(error.code, "unreachable", error.message);
  assert.ok(tookMs >= fromMs - 5, `${tookMs} ms, expected at least ${fromMs}`);
  return error;
}

describe("an unreachable Redis", { concurrency: 3 }, () => {
  test("an acquire without any Redis fails after acquireTimeoutMs and says why", async () => {
    const port = await freePort();
    await using locker = openLocker(`redis://127.0.0.1:${port}`, newPrefix(), { acquireTimeoutMs: 700 });
    const error = await rejectsWithin(locker.acquire("report"), 700, 700);
    assert.match(error.message, /"report".*700 ms.*ECONNREFUSED/);
  });

  test("an acquire that failed is not granted when Redis comes up afterwards", async () => {
    const port = await freePort();
    const prefix = newPrefix();
    await using locker = openLocker(`redis://127.0.0.1:${port}`, prefix, { acquireTimeoutMs: 500 });
    await rejectsWithin(locker.acquire("early"), 500, 500);
    await using server = await startRedis({ port });
    const late = await takePatiently(locker, "late");
    assert.equal(await server.client().exists(`${prefix}l:late`), 1);
    assert.equal(await server.client().exists(`${prefix}l:early`), 0);
    await late.release();
    await locker.close();
    await assertNothingLeft(server, { prefix });
  });

  test("an acquire that waits while Redis starts is granted", async () => {
    const port = await freePort();
    const prefix = newPrefix();
    await using locker = openLocker(`redis://127.0.0.1:${port}`, prefix);
    const taken = take(locker, "patient");
    await using server = await startRedis({ port });
    const lease = await withDeadline(taken, 10_000, "the grant");
    await lease.heartbeat();
    await lease.release();
    await locker.close();
    await assertNothingLeft(server, { prefix });
  });

  for (const [direction, what] of [
    ["up", "request"],
    ["down", "reply"],
  ] as const) {
    test(`an acquire given up while its ${what} is under way is given back`, async () => {
      await using server = await startRedis();
      await using proxy = await startProxy(server.port);
      const prefix = newPrefix();
      await using locker = openLocker(proxy.url, prefix, { acquireTimeoutMs: 700 });
      await (await takePatiently(locker, "warm-up")).release();
      proxy.hold({ [direction]: true });
      await rejectsWithin(locker.acquire("given-up"), 700, 700);
      const isHeld = async () => (await server.client().exists(`${prefix}l:given-up`)) === 1;
      if (direction === "up") assert.ok(proxy.heldBytes.up > 0);
      else assert.ok(await isHeld(), "the request was executed");
      proxy.heal();
      if (direction === "down") await waitUntil(isHeld, false, { deadlineMs: 5_000, what: "the lease of nobody" });
      await (await takePatiently(locker, "given-up")).release();
      await locker.close();
      await assertNothingLeft(server, { prefix });
    });
  }

  for (const [direction, what] of [
    ["up", "requests"],
    ["down", "replies"],
  ] as const) {
    test(`while ${what} get lost nothing hangs, and all goes on when they get through again`, async () => {
      await using server = await startRedis();
      await using proxy = await startProxy(server.port);
      const prefix = newPrefix();
      const { commandTimeoutMs } = fastSettings;
      await using locker = openLocker(proxy.url, prefix, { acquireTimeoutMs: 2_000 });
      const kept = await takePatiently(locker, "kept");
      const given = await take(locker, "given");
      proxy.blackhole({ [direction]: true });
      await Promise.all([
        rejectsWithin(locker.acquire("refused"), 2_000, 2_000),
        rejectsWithin(locker.readHolder("kept"), 0, commandTimeoutMs),
        withDeadline(given.release(), 1_000 + slackMs, "the release"),
        waitUntil(() => kept.state, "unsure", { deadlineMs: 2_000, what: "the state of what is held" }),
      ]);
      const beat = kept.heartbeat();
      const acquired = takePatiently(locker, "later");
      proxy.heal();
      await withDeadline(beat, 5_000, "the heartbeat that waited");
      await (await withDeadline(acquired, 5_000, "the acquire that waited")).release();
      for (const key of ["given", "refused"]) await (await take(locker, key)).release();
      await kept.release();
      await locker.close();
      await assertNothingLeft(server, { prefix });
    });
  }

  test("a locker whose bytes get lost closes in time", async () => {
    await using server = await startRedis();
    await using proxy = await startProxy(server.port);
    await using locker = openLocker(proxy.url, newPrefix(), { closeTimeoutMs: 300 });
    const lease = await takePatiently(locker, "kept");
    proxy.blackhole();
    await withDeadline(locker.close(), 3 * 300 + slackMs, "the close");
    assert.equal(lease.state, "lost");
  });
});
