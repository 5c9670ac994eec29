// Liveness is a matter of the session: ten thousand leases and a crowd that wants them must not delay a ping.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newPrefix, openLocker, spawnLocker, take } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";

const LOCKS = 10_000; // 1 + 9 × 1,111
const WAITERS = 500;
const PINGS = 25;

test("pings keep their pace while a locker holds 10,000 leases and 500 waiters want some of them", async () => {
  await using server = await startRedis();
  const prefix = newPrefix();
  const limits = { sessionTtlMs: 10_000, disconnectGraceMs: 700, acquireTimeoutMs: 60_000 };
  await using holder = openLocker(server.url, prefix, limits);
  await using crowd = await spawnLocker(server.url, prefix, limits);
  const leases = [await take(holder, "key0")]; // first: the connections are up before the thread is busy
  while (leases.length < LOCKS) {
    const from = leases.length;
    leases.push(...(await Promise.all(Array.from({ length: 1_111 }, (_, i) => take(holder, `key${from + i}`)))));
  }
  const redis = server.client();
  const session = `${prefix}s:${(await redis.get(`${prefix}l:key0`))?.split(" ")[2]}`;
  const waiting = Array.from({ length: WAITERS }, (_, i) => crowd.request("acquire", `key${i}`, { waitMs: 60_000 }));
  const outcomes = Promise.allSettled(waiting);

  const pings: number[] = [];
  const seen = async (): Promise<number> => {
    const last = Number(await redis.hget(session, "last"));
    if (last !== pings.at(-1)) pings.push(last);
    await Promise.all(leases.slice(0, 100).map((lease) => lease.heartbeat()));
    return pings.length;
  };
  await waitUntil(seen, (count) => count > PINGS, { deadlineMs: 30_000, what: "the pings" });
  const gaps = pings.slice(1).map((ping, i) => ping - pings[i]!);
  gaps.sort((a, b) => a - b);
  const [usual, slow] = [gaps[Math.floor(gaps.length * 0.5)]!, gaps[Math.floor(gaps.length * 0.9)]!];
  assert.ok(usual < 150 && slow < 350, `gaps between pings, ms: ${gaps.join(" ")}`);
  const allHeld = (): boolean => leases.every(({ state }) => state === "held");
  await waitUntil(allHeld, true, { deadlineMs: 5_000, what: "all leases are held" });
  await crowd.request("close");
  assert.ok(
    (await outcomes).every(({ status }) => status === "rejected"),
    "nobody was granted a held key",
  );
});
