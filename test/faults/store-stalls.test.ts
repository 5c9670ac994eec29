// Redis answers nobody for a little longer than a session may be silent, while somebody waits for every key. What the
// waiter asked is executed before the owner's ping: it must not win by that.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fastLimits } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Fleet } from "./fixtures/store-fleet.js";
import { assertAllGoOn, startRing } from "./fixtures/store-ring.js";

const stallMs = 1.3 * fastLimits.sessionTtlMs;

async function lasts(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms)); // waits: the stall itself
}

const stalls: Record<string, (server: RedisServer) => Promise<unknown>> = {
  "is stopped": async (server) => {
    await server.freeze();
    await lasts(stallMs);
    server.thaw();
  },
  "sleeps in a command": (server) => server.client().call("DEBUG", "SLEEP", String(stallMs / 1_000)),
  "runs somebody's script": async (server) => {
    const client = server.client();
    const untilMs = Date.now() + stallMs;
    await client.eval(
      `repeat local t = redis.call("TIME") until t[1] * 1000 + t[2] / 1000 > tonumber(ARGV[1])`,
      0,
      untilMs,
    );
  },
};

describe("a stall of 1.3 session TTLs with a contender for every key", { concurrency: true }, () => {
  for (const [what, stall] of Object.entries(stalls)) {
    test(`robs nobody when Redis ${what}`, async () => {
      await using server = await startRedis({ extraArgs: ["--enable-debug-command", "yes"] });
      await using fleet = await Fleet.start();
      const ring = await startRing(fleet, Array(2).fill(server));
      const startedMs = performance.now();
      await stall(server);
      assert.ok(performance.now() - startedMs > fastLimits.sessionTtlMs, "it was long enough");
      await assertAllGoOn(fleet, ring, 10_000);
      await assertNothingLeft(server);
    });
  }
});
