// Redis forgets everything, or wakes up with an old memory: the living keep what they hold, nobody gets in between, and
// tokens go on growing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fastLimits, fastSettings } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Ledger } from "./fixtures/ledger.js";
import { Fleet, type Member } from "./fixtures/store-fleet.js";
import { untilReasserted } from "./fixtures/store-records.js";
import { untilTried } from "./fixtures/store-ring.js";

const longMs = 20_000;

/**
 * Trust outlives what a busy machine does to a ping, or a session could not be known to have been served until the
 * loss.
 */
const limits = { ...fastLimits, disconnectGraceMs: 2_000, sessionTtlMs: 4_000 };
const settings = { ...fastSettings, recoveryMs: 2_000 };

function add(fleet: Fleet, { url }: { url: string }): Promise<Member> {
  return fleet.add({ url, limits, settings });
}

/** The contender, which has tried all the time, has found the key held again, and was never granted it. */
async function assertNeverGranted(contender: Member, key: string): Promise<void> {
  await untilTried(contender, key, longMs);
  assert.deepEqual((await contender.job(key)).tokens, []);
}

/** The holder's job has run all the time; the next holder's token is larger; nothing stays behind. */
async function assertGoodEnd(
  { server, fleet }: { server: RedisServer; fleet: Fleet },
  { holder, contender, key, token }: { holder: Member; contender: Member; key: string; token: number },
  tombstones = 0,
): Promise<void> {
  const { ended, tokens, refusals } = await holder.stop(key);
  assert.deepEqual({ ended, tokens, refusals }, { ended: "stopped", tokens: [token], refusals: 0 });
  const next = await contender.untilGranted(key, longMs);
  assert.ok(next.tokens[0]! > token, `${next.tokens[0]} after ${token}`);
  await contender.stop(key);
  await fleet.assertNobodyCondemned();
  await fleet.close();
  assert.equal((await fleet.ledger.assertNoOverlap()).refused, 0);
  await assertNothingLeft(server, { tombstones });
}

describe("a Redis that loses its data", { concurrency: 3 }, () => {
  test("holders keep their leases and tokens through FLUSHALL, and a contender never gets in between", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const [holder, contender] = await Promise.all([add(fleet, server), add(fleet, server)]);
    const token = await holder.run("key");
    await contender.contend("key");
    const redis = server.client();
    for (let flushes = 0; flushes < 3; flushes++) {
      await redis.flushall();
      await untilReasserted(server, "key", token, longMs);
    }
    for (let flushes = 0; flushes < 8; flushes++) {
      await redis.flushall();
      await new Promise((resolve) => setTimeout(resolve, 60)); // waits: losses that follow within one window
    }
    await untilReasserted(server, "key", token, longMs);
    await assertNeverGranted(contender, "key");
    await assertGoodEnd({ server, fleet }, { holder, contender, key: "key", token });
  });

  test("an empty restart doubles nobody, and a dead process's key is free only after the window", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const [holder, victim, contender] = await Promise.all([add(fleet, server), add(fleet, server), add(fleet, server)]);
    const [token, lastToken] = await Promise.all([holder.run("key"), victim.run("dead")]);
    await Promise.all([contender.contend("key"), contender.contend("dead")]);
    await Promise.all([server.kill(), fleet.kill(victim)]);
    const startedUs = Ledger.nowUs();
    await server.start();
    const { tokens } = await contender.untilGranted("dead", longMs);
    assert.ok(tokens[0]! > lastToken, `${tokens[0]} after ${lastToken}`);
    const { history } = await fleet.ledger.read("dead");
    const grantedUs = history.find((yes) => yes.token === tokens[0])!.atUs;
    assert.ok(grantedUs - startedUs >= settings.recoveryMs * 1_000, `${grantedUs - startedUs} µs after the restart`);
    await contender.stop("dead");
    await untilReasserted(server, "key", token, longMs);
    await assertNeverGranted(contender, "key");
    await assertGoodEnd({ server, fleet }, { holder, contender, key: "key", token });
  });

  test("empty restarts in quick succession double nobody", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const [holder, contender] = await Promise.all([add(fleet, server), add(fleet, server)]);
    const token = await holder.run("key");
    await contender.contend("key");
    for (let restarts = 0; restarts < 4; restarts++) {
      await server.kill();
      await server.start();
    }
    await untilReasserted(server, "key", token, longMs);
    await assertNeverGranted(contender, "key");
    await assertGoodEnd({ server, fleet }, { holder, contender, key: "key", token });
  });

  test("a lease that was released after the snapshot does not come back with it", async () => {
    await using server = await startRedis();
    await using fleet = await Fleet.start();
    const [earlier, holder] = await Promise.all([add(fleet, server), add(fleet, server)]);
    const [released] = await Promise.all([earlier.run("key"), earlier.run("free")]);
    await server.client().save();
    await Promise.all([earlier.stop("key"), earlier.stop("free")]);
    const token = await holder.run("key");
    assert.ok(token > released);
    await earlier.contend("key");
    await server.kill();
    await server.start();
    await untilReasserted(server, "key", token, longMs);
    await assertNeverGranted(earlier, "key");
    await holder.run("free"); // which the snapshot says that a living session holds
    await holder.stop("free");
    await assertGoodEnd({ server, fleet }, { holder, contender: earlier, key: "key", token });
  });

  for (const [what, isReleased] of [
    ["taken", false],
    ["taken and released", true],
  ] as const) {
    test(`a cut-off holder whose key was ${what} does not come back with a loss of data`, async () => {
      await using server = await startRedis();
      await using proxy = await startProxy(server.port);
      await using holdersProxy = await startProxy(server.port);
      await using fleet = await Fleet.start();
      const [cutOff, holder] = await Promise.all([add(fleet, proxy), add(fleet, holdersProxy)]);
      const lost = await cutOff.run("key");
      proxy.refuse();
      proxy.cut();
      const token = await holder.run("key");
      assert.ok(token > lost);
      await holder.untilBeats("key", longMs);
      if (isReleased) await holder.stop("key");
      // The cut-off one is back first, and says that the key is its own: nobody in the store knows better yet.
      holdersProxy.hold();
      await server.client().flushall();
      await proxy.accept();
      await untilReasserted(server, "key", lost, longMs);
      holdersProxy.heal();
      assert.match((await cutOff.untilEnded("key", longMs)).ended, /^LockError (taken-over|store-lost-data)$/);
      if (!isReleased) {
        await untilReasserted(server, "key", token, longMs);
        await cutOff.contend("key");
        await assertNeverGranted(cutOff, "key");
        assert.deepEqual((await holder.stop("key")).tokens, [token]);
        await cutOff.stop("key");
      }
      assert.ok((await cutOff.run("key")) > token);
      await cutOff.stop("key");
      await fleet.close();
      assert.equal((await fleet.ledger.assertNoOverlap()).refused, 0);
      await assertNothingLeft(server, { tombstones: 1 });
    });
  }
});
