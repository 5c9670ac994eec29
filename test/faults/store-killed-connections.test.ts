// Redis throws its clients out, again and again: nobody is taken for dead, and jobs go on.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Redis } from "ioredis";
import { fastLimits } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Fleet } from "./fixtures/store-fleet.js";
import { assertAllGoOn, startRing } from "./fixtures/store-ring.js";

const longMs = 15_000;

/** Disturbs the store in rounds, until it was done so often. */
async function disturb(rounds: number, pauseMs: number, act: () => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await act();
    await new Promise((resolve) => setTimeout(resolve, pauseMs)); // waits: the next blow of a storm
  }
}

describe("killed connections", { concurrency: 3 }, () => {
  test("nobody is condemned and jobs go on while every connection is killed again and again", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const ring = await startRing(fleet, Array(4).fill(server));
    const redis = server.client();
    let killed = 0;
    await disturb(16, 250, async () => {
      for (const type of ["normal", "pubsub"]) killed += (await redis.call("CLIENT", "KILL", "TYPE", type)) as number;
    });
    assert.ok(killed > 32, `${killed} connections`);
    await assertAllGoOn(fleet, ring, longMs);
    await assertNothingLeft(server);
  });

  test("nobody is condemned when some connections of each are killed again and again", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const ring = await startRing(fleet, Array(4).fill(server));
    const redis = server.client();
    let killed = 0;
    await disturb(10, 400, async () => void (killed += await killEveryOther(redis)));
    assert.ok(killed > 10, `${killed} connections`);
    await assertAllGoOn(fleet, ring, longMs);
    await assertNothingLeft(server);
  });

  test("nobody is condemned while CLIENT PAUSE lasts longer than any limit", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const ring = await startRing(fleet, Array(3).fill(server));
    await server.client().call("CLIENT", "PAUSE", 5_000, "ALL");
    await assertAllGoOn(fleet, ring, longMs);
    await assertNothingLeft(server);
  });

  test("who comes back late after a break that hit everybody is spared for longer than its grace", async () => {
    await using server = await startRedis();
    await using proxy = await startProxy(server.port);
    await using lateProxy = await startProxy(server.port);
    await using fleet = await Fleet.start();
    const limits = { ...fastLimits, sessionTtlMs: 5_000 };
    const ring = await startRing(fleet, [
      { url: lateProxy.url, limits },
      { url: proxy.url, limits },
    ]);
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // waits: until both have been served for a while
    lateProxy.refuse();
    lateProxy.cut();
    proxy.cut();
    await new Promise((resolve) => setTimeout(resolve, 2_000)); // waits: four times the grace
    await lateProxy.accept();
    await assertAllGoOn(fleet, ring, longMs);
    await assertNothingLeft(server);
  });
});

/** Both threads' connections look alike to the server; which of them are hit depends on the order of their ids. */
async function killEveryOther(redis: Redis): Promise<number> {
  const own = await redis.client("ID");
  const ids = [...((await redis.client("LIST")) as string).matchAll(/^id=(\d+)/gm)].map(([, id]) => id!);
  const others = ids.filter((id, i) => i % 2 === 0 && id !== String(own));
  for (const id of others) await redis.call("CLIENT", "KILL", "ID", id);
  return others.length;
}
