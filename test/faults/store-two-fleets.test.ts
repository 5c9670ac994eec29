// Two fleets with different limits lock on one Redis, as during a deploy that changes them: whoever is judged is judged
// by the limits in its own record.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fastLimits, fastSettings } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Ledger } from "./fixtures/ledger.js";
import { Fleet, type Member } from "./fixtures/store-fleet.js";
import { untilTried } from "./fixtures/store-ring.js";

const longMs = 20_000;
/** What a machine that is busy with other tests may add to a limit, ms. */
const slackMs = 2_000;

const slow = {
  limits: { ...fastLimits, sessionTtlMs: 5_000, disconnectGraceMs: 1_500, pingIntervalMs: 300 },
  settings: { ...fastSettings, recoveryMs: 2_000 },
};
const fast = { limits: fastLimits, settings: fastSettings };

/** When a later holder than the one with that token first wrote to the ledger, ms after `fromUs`. */
async function takenAfterMs(fleet: Fleet, contender: Member, token: number, fromUs: number): Promise<number> {
  const { tokens } = await contender.untilGranted("key", longMs);
  assert.ok(tokens[0]! > token, `${tokens[0]} after ${token}`);
  await contender.stop("key");
  const { history } = await fleet.ledger.read("key");
  return (history.find((yes) => yes.token > token)!.atUs - fromUs) / 1_000;
}

function assertBetween(ms: number, fromMs: number, toMs: number): void {
  assert.ok(ms >= fromMs && ms <= toMs, `${ms} ms, expected ${fromMs} to ${toMs}`);
}

describe("two fleets with different limits", { concurrency: 3 }, () => {
  test("a fast contender spares a slow holder that is silent for less than the holder's own limit", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const holder = await fleet.add({ ...slow, url: server.url });
    const contender = await fleet.add({ ...fast, url: server.url });
    const token = await holder.run("key");
    await contender.contend("key");
    await untilTried(contender, "key", longMs);
    await holder.freeze();
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // waits: longer than the contender's own limit
    await untilTried(contender, "key", longMs);
    await holder.thaw();
    await holder.untilBeats("key", longMs);
    assert.deepEqual((await contender.stop("key")).tokens, []);
    assert.deepEqual((await holder.stop("key")).tokens, [token]);
    await fleet.assertNobodyCondemned();
    await fleet.close();
    assert.equal((await fleet.ledger.assertNoOverlap()).refused, 0);
    await assertNothingLeft(server);
  });

  for (const [who, victim, judge] of [
    ["a slow holder by a fast contender", slow, fast],
    ["a fast holder by a slow contender", fast, slow],
  ] as const) {
    test(`silence condemns ${who} once the holder's own limit is over`, async () => {
      await using server = await startRedis();
      await using fleet = await Fleet.start();
      const holder = await fleet.add({ ...victim, url: server.url });
      const contender = await fleet.add({ ...judge, url: server.url });
      const token = await holder.run("key");
      await contender.contend("key");
      await untilTried(contender, "key", longMs);
      await holder.freeze();
      const fromUs = Ledger.nowUs();
      const { sessionTtlMs, pingIntervalMs } = victim.limits;
      const tookMs = await takenAfterMs(fleet, contender, token, fromUs);
      assertBetween(tookMs, sessionTtlMs - pingIntervalMs, sessionTtlMs + 1_000 + slackMs);
      await holder.thaw();
      assert.match((await holder.untilEnded("key", longMs)).ended, /^LockError/);
      await fleet.close();
      await fleet.ledger.assertNoOverlap();
      await assertNothingLeft(server, { tombstones: 1 });
    });

    test(`a lost connection condemns ${who} once the holder's own grace is over`, async () => {
      await using server = await startRedis();
      await using proxy = await startProxy(server.port);
      await using fleet = await Fleet.start();
      const holder = await fleet.add({ ...victim, url: proxy.url });
      const contender = await fleet.add({ ...judge, url: server.url });
      const token = await holder.run("key");
      await contender.contend("key");
      await untilTried(contender, "key", longMs);
      await new Promise((resolve) => setTimeout(resolve, 1_600)); // waits: until it was served for as long as a grace
      proxy.refuse();
      proxy.cut();
      const fromUs = Ledger.nowUs();
      const { disconnectGraceMs, pingIntervalMs } = victim.limits;
      const tookMs = await takenAfterMs(fleet, contender, token, fromUs);
      assertBetween(tookMs, disconnectGraceMs - pingIntervalMs, disconnectGraceMs + slackMs);
      await proxy.accept();
      assert.match((await holder.untilEnded("key", longMs)).ended, /^LockError/);
      await fleet.close();
      await fleet.ledger.assertNoOverlap();
      await assertNothingLeft(server, { tombstones: 1 });
    });
  }

  test("the recovery window is the longest that any fleet has asked for", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const holder = await fleet.add({ ...slow, url: server.url });
    const contender = await fleet.add({ ...fast, url: server.url });
    const token = await holder.run("key");
    await contender.contend("key");
    await untilTried(contender, "key", longMs);
    await holder.freeze(); // before the loss, or the key would be taken from a dead process without any
    const fromUs = Ledger.nowUs();
    await server.client().flushall();
    await fleet.kill(holder);
    assertBetween(await takenAfterMs(fleet, contender, token, fromUs), slow.settings.recoveryMs, longMs);
    await fleet.close();
    await fleet.ledger.assertNoOverlap();
    await assertNothingLeft(server);
  });
});
