// A holder is stopped, and while it is, the store loses its memory: it must not go on as if it still held its key.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fastSettings } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Ledger } from "./fixtures/ledger.js";
import { Fleet, type Member } from "./fixtures/store-fleet.js";

const longMs = 15_000;

const wipes: Record<string, (server: RedisServer) => Promise<unknown>> = {
  "was wiped": (server) => server.client().flushall(),
  "was restarted empty": (server) => server.restart({ keepData: false }),
};

/** The holder heard no yes after it was frozen, its job ended with a LockError, and the key can be had. */
async function assertStopped(fleet: Fleet, holder: Member, frozenAtUs: number, key: string): Promise<void> {
  const { ended } = await holder.untilEnded(key, longMs);
  assert.match(ended, /^LockError (taken-over|store-lost-data)$/);
  const { history } = await fleet.ledger.read(key);
  const own = history.filter(({ writer }) => writer === String(holder.child.pid));
  const lastYesUs = own.at(-1)!.atUs;
  assert.ok(lastYesUs < frozenAtUs, `${lastYesUs - frozenAtUs} µs after it was frozen it was told yes`);
}

async function assertGoodEnd(server: RedisServer, fleet: Fleet, refusalsMax = 0): Promise<void> {
  await fleet.close();
  const { refused } = await fleet.ledger.assertNoOverlap();
  assert.ok(refused <= refusalsMax, `${refused} writes came too late`);
  await assertNothingLeft(server);
}

describe("a frozen holder whose store lost its data", { concurrency: 3 }, () => {
  for (const [what, wipe] of Object.entries(wipes)) {
    test(`is told of its loss when the store ${what} and its key was taken and released`, async () => {
      await using server = await startRedis();
      await using fleet = await Fleet.start();
      const [holder, other] = await Promise.all([fleet.add(server), fleet.add(server)]);
      const token = await holder.run("key");
      await holder.freeze();
      const frozenAtUs = Ledger.nowUs();
      await wipe(server);
      const nextToken = await other.run("key");
      assert.ok(nextToken > token, `${nextToken} after ${token}`);
      await other.untilBeats("key", longMs);
      assert.equal((await other.stop("key")).ended, "stopped");
      await holder.thaw();
      await assertStopped(fleet, holder, frozenAtUs, "key");
      assert.equal(await server.client().exists("pulselock:l:key"), 0, "the lease came back to life");
      assert.ok((await holder.run("key")) > nextToken);
      await holder.stop("key");
      await assertGoodEnd(server, fleet, 1); // the write of a yes from before the freeze
    });

    test(`is told of its loss when the store ${what} and another still holds its key`, async () => {
      await using server = await startRedis();
      await using fleet = await Fleet.start();
      const [holder, other] = await Promise.all([fleet.add(server), fleet.add(server)]);
      const token = await holder.run("key");
      await holder.freeze();
      const frozenAtUs = Ledger.nowUs();
      await wipe(server);
      assert.ok((await other.run("key")) > token);
      await holder.thaw();
      await assertStopped(fleet, holder, frozenAtUs, "key");
      await other.untilBeats("key", longMs);
      assert.equal((await other.stop("key")).ended, "stopped");
      await assertGoodEnd(server, fleet, 1); // the write of a yes from before the freeze
    });

    test(`does not come back when it thaws in the recovery window after the store ${what}`, async () => {
      await using server = await startRedis();
      await using fleet = await Fleet.start();
      const holder = await fleet.add({ url: server.url, settings: { ...fastSettings, recoveryMs: 1_500 } });
      const token = await holder.run("key");
      await holder.freeze();
      const frozenAtUs = Ledger.nowUs();
      await new Promise((resolve) => setTimeout(resolve, 600)); // waits: until its trust has long lapsed
      await wipe(server);
      await holder.thaw();
      await assertStopped(fleet, holder, frozenAtUs, "key");
      assert.equal(
        await server.client().hget("pulselock:n", "state"),
        "recovering",
        "it thawed too late for this test",
      );
      assert.ok((await holder.run("key")) > token);
      await holder.stop("key");
      await assertGoodEnd(server, fleet, 1); // the write of a yes from before the freeze
    });
  }
});
