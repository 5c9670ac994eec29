// A replica that lacks the last writes is promoted. Its link died one way: to the primary it looked as if it followed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Lease, Locker } from "../../src/index.js";
import { findBusy, newPrefix, openLocker, spawnLocker, take } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";
import { Ledger } from "./fixtures/ledger.js";
import { Switch } from "./fixtures/switch.js";

const deadlineMs = 10_000;

/** A primary, a replica, the link between them, and the name by which lockers reach the primary. */
async function startPair() {
  const [primary, replica] = await Promise.all([startRedis(), startRedis()]);
  const link = await startProxy(primary.port);
  const name = await Switch.start(primary.port);
  await replica.client().call("REPLICAOF", "127.0.0.1", link.port);
  await primary.client().config("SET", "repl-ping-replica-period", "1");
  const state = async (): Promise<boolean> =>
    (await replica.client().info("replication")).includes("master_link_status:up");
  await waitUntil(state, true, { deadlineMs, what: "the replica follows" });
  const parts = [name, link, replica, primary];
  const dispose = async (): Promise<void> => {
    for (const part of parts) await part[Symbol.asyncDispose]();
  };
  return { primary, replica, link, name, [Symbol.asyncDispose]: dispose };
}

async function promote({ replica, name }: { replica: RedisServer; name: Switch }): Promise<void> {
  await replica.client().call("REPLICAOF", "NO", "ONE");
  name.to(replica.port);
}

const isOn = (server: RedisServer, prefix: string, key: string) => async (): Promise<boolean> =>
  (await server.client().exists(`${prefix}l:${key}`)) === 1;

/** A lease that the replica has heard of. */
async function takeReplicated(locker: Locker, replica: RedisServer, prefix: string, key: string): Promise<Lease> {
  const lease = await take(locker, key);
  await waitUntil(isOn(replica, prefix, key), true, { deadlineMs, what: `${key} on the replica` });
  return lease;
}

describe("a failover", { concurrency: true }, () => {
  test("to a replica that lacks the last grants takes nothing from the living, and tokens grow", async () => {
    await using pair = await startPair();
    const prefix = newPrefix();
    await using holder = openLocker(pair.name.url, prefix);
    await using contender = openLocker(pair.name.url, prefix);
    await using dead = await spawnLocker(pair.name.url, prefix);
    const kept = await takeReplicated(holder, pair.replica, prefix, "kept");
    await (await take(contender, "other")).release();
    await dead.request("acquire", "unrelated");
    pair.link.blackhole({ down: true });
    const late = await take(holder, "late");
    const { fencingToken } = await dead.request<{ fencingToken: number }>("acquire", "dead");
    assert.equal(await isOn(pair.replica, prefix, "late")(), false, "the grant was lost");

    await dead.kill("SIGKILL");
    await pair.primary.kill();
    await promote(pair);
    const next = await take(contender, "dead", { waitMs: 20_000 });
    assert.ok(next.fencingToken > fencingToken, "of a grant that the replica never heard of");
    for (const lease of [kept, late]) {
      await lease.heartbeat();
      const { holder: found } = await findBusy(contender, lease.key);
      assert.equal(found.fencingToken, lease.fencingToken, "held on, under the same token");
    }
    await Promise.all([next, kept, late].map((lease) => lease.release()));
  });

  test("from a primary that goes on leaves two worlds, between which only the fencing token decides", async () => {
    await using pair = await startPair();
    await using ledger = new Ledger(pair.replica.url);
    const prefix = newPrefix();
    await using moved = openLocker(pair.name.url, prefix);
    await using stayed = openLocker(pair.primary.url, prefix); // by the old primary's own address
    await takeReplicated(moved, pair.replica, prefix, "warm").then((lease) => lease.release());
    await (await take(stayed, "other")).release();
    await promote(pair);
    const older = await take(stayed, "key");
    const newer = await take(moved, "key", { waitMs: 20_000 });
    await Promise.all([older.heartbeat(), newer.heartbeat()]);
    assert.ok(newer.fencingToken > older.fencingToken, "both believe, and the later grant has the larger token");
    assert.equal(await ledger.write("key", newer.fencingToken, Ledger.nowUs()), true);
    assert.equal(await ledger.write("key", older.fencingToken, Ledger.nowUs()), false);
    await Promise.all([older.release(), newer.release()]);
  });
});
