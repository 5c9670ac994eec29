// Redis forgets its scripts: they are sent again in full, whatever has happened in between.

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import type { Events, Lease } from "../../src/index.js";
import { openLocker, take } from "../support/lockers.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Fleet } from "./fixtures/store-fleet.js";

const longMs = 15_000;

test("acquires and releases succeed while SCRIPT FLUSH runs in a loop", async () => {
  await using server = await startRedis();
  await using fleet = await Fleet.start();
  const members = await Promise.all([fleet.add(server), fleet.add(server), fleet.add(server)]);
  await Promise.all(members.map((member, i) => member.run(`job-${i}`)));
  await Promise.all(members.map((member) => member.contend("shared")));
  const redis = server.client();
  const flushing = new AbortController();
  const flushes = (async () => {
    let count = 0;
    for (; !flushing.signal.aborted; count++) await redis.script("FLUSH");
    return count;
  })();
  for (const member of members) await member.untilGranted("shared", longMs, 30);
  flushing.abort();
  assert.ok((await flushes) > 100);
  for (const [i, member] of members.entries()) {
    assert.deepEqual((await member.stop("shared")).errors, []);
    assert.equal((await member.stop(`job-${i}`)).ended, "stopped");
    assert.deepEqual((await member.report()).events.store, []);
  }
  await fleet.assertNobodyCondemned();
  await fleet.close();
  assert.equal((await fleet.ledger.assertNoOverlap()).refused, 0);
  await assertNothingLeft(server);
});

test("a lease that is released while it is re-asserted does not come back", async () => {
  await using server = await startRedis();
  await using proxy = await startProxy(server.port);
  const redis = server.client();
  await using holder = openLocker(proxy.url, "pulselock:");
  const lease = await take(holder, "key");
  const sessionId = (await holder.readHolder("key"))!.sessionId;
  await (await take(holder, "other")).release();
  await redis.flushall();
  const isBack = async (): Promise<boolean> => (await redis.exists("pulselock:l:key")) === 1;
  await waitUntil(isBack, true, { deadlineMs: 5_000, what: "the first re-assertion" });
  await lease.heartbeat();

  // From now on the server knows how to release, and not how to re-assert, although the holder's connection knows both.
  await redis.script("FLUSH");
  await using bystander = openLocker(server.url, "pulselock:");
  await (await take(bystander, "another")).release();
  proxy.latency(40);
  const released = releaseOnReentry(lease, sessionId);
  await redis.flushall();
  await released;
  proxy.latency(0);
  await (await take(bystander, "another")).release();
  await bystander.mutex("key", () => undefined, { waitMs: 3_000 });
  await Promise.all([holder.close(), bystander.close()]);
  await assertNothingLeft(server);
});

/** Releases when the re-assertion has been sent, and the answer, that the script is not known, is still to come. */
function releaseOnReentry(lease: Lease, sessionId: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onSession = (message: unknown): void => {
      const session = message as Events["session"];
      if (session.cause !== "reentered" || session.sessionId !== sessionId) return;
      unsubscribe("pulselock:session", onSession);
      setTimeout(() => lease.release().then(resolve, reject), 20); // waits: within the proxy's latency
    };
    subscribe("pulselock:session", onSession);
  });
}
