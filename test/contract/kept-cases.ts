import assert from "node:assert/strict";
import { waitUntil } from "../support/wait.js";
import { first, type Actor, type ContractCases } from "./contract-stage.js";
import { release, renew } from "./lease-cases.js";
import { reassert, survivors } from "./reassert-cases.js";
import { actors, holdersOf, sessionsOf } from "./modes-cases.js";

/** A job that succeeded: its key is kept until so long after its grant. */
async function finish(actor: Actor, keepMs: number, leaseNumber = 1): Promise<string> {
  const result = await actor.leases.release(actor.identity, [{ key: "key", leaseNumber, keepMs }]);
  return result.status === "ok" ? first(result.answers).status : result.status;
}

const deadline = { deadlineMs: 10_000, what: "who holds the key" };

export const keptCases: ContractCases = {
  "a key is kept after its job until so long after the grant, and its record says so": async (stage) => {
    const [one, two] = await actors(stage, 2);
    const fencingToken = await one.take("key", { trace: " t " });
    const before = await two.readLease("key");
    assert.equal(await finish(one, 60_000), "released");
    assert.deepEqual(await two.readLease("key"), before && { ...before, isKept: true });
    const answer = await two.acquire("key");
    assert.ok(answer.status === "held" && "holders" in answer);
    assert.deepEqual([answer.holders[0]?.isKept, answer.holders[0]?.fencingToken], [true, fencingToken]);
    assert.equal((await one.acquire("key", { leaseNumber: 2 })).status, "held", "nor does its last holder get it");
    assert.equal((await renew(one, "key", fencingToken)).status, "lost");
    assert.equal(await finish(one, 60_000), "released", "asked again");
    assert.equal((await release(one, "key")).status, "released");
    assert.equal((await two.readLease("key"))?.isKept, true);
  },

  "nobody may replace what is kept, not even when the session is over": async (stage) => {
    const [one, two] = await actors(stage, 2);
    const fencingToken = await one.take("key");
    await finish(one, 60_000);
    await one.liveness.goodbye(one.sessionId);
    const replace = [{ sessionId: one.sessionId, fencingToken }];
    assert.equal((await two.acquire("key", { replace })).status, "held");
    assert.equal((await two.readLease("key"))?.isKept, true);
  },

  "a key whose time was over when its job ended is free at once": async (stage) => {
    const [one, two] = await actors(stage, 2);
    await one.take("key");
    await one.take("marker", { leaseNumber: 2, lockTtlMs: 50 });
    await waitUntil(() => one.readLease("marker"), undefined, deadline);
    assert.equal(await finish(one, 40), "released");
    assert.equal((await two.acquire("key")).status, "granted");
  },

  "a key is kept no longer than it was to be, though the store's clock was set back since the grant": async (stage) => {
    const [one] = await survivors(stage, 1);
    const { nowMs } = await one.ping();
    await reassert(one, "key", 1_000, { acquiredAtMs: Math.round(nowMs) + 600_000 });
    assert.equal(await finish(one, 300), "released");
    assert.equal((await one.readLease("key"))?.isKept, true);
    await waitUntil(() => one.readLease("key"), undefined, deadline);
  },

  "when the time is over a waiter is granted the key, and a larger token, by its next asking": async (stage) => {
    const [one, two] = await actors(stage, 2);
    const token = await one.take("key");
    assert.equal((await two.queue("key")).status, "queued");
    await finish(one, 1_500);
    assert.equal((await two.queue("key")).status, "queued");
    await waitUntil(async () => (await two.queue("key")).status, "granted", deadline);
    assert.ok((await two.readLease("key"))!.fencingToken > token);
  },

  "what is kept outlives the end of an era, as nobody could say it again": async (stage) => {
    const [one, two] = await actors(stage, 2);
    await one.take("key");
    await finish(one, 60_000);
    await stage.store.interrupt();
    await two.begin({ mode: "trusted", era: (await two.ping()).era });
    await stage.closeWindow(two);
    assert.equal((await two.acquire("key")).status, "held");
  },

  "permits of a job that succeeded are kept as well, those of others are not": async (stage) => {
    const [one, two, three] = await actors(stage, 3);
    const wish = (take: number) => ({ mode: "permits" as const, permits: { take, limit: 3 } });
    await one.take("key", wish(2));
    await two.take("key", wish(1));
    assert.equal(await finish(one, 60_000), "released");
    await release(two, "key");
    const holders = await three.leases.readHolders("key");
    assert.deepEqual(
      holders.map(({ units, isKept }) => [units, isKept]),
      [[2, true]],
    );
    const replace = [{ sessionId: one.sessionId, fencingToken: 0 }];
    assert.equal((await three.acquire("key", { ...wish(2), replace })).status, "held");
    await three.take("key", wish(1));
    assert.deepEqual(await holdersOf(two), sessionsOf(one, three));
    assert.equal((await renew(one, "key", 0)).status, "lost");
  },
};
