// PostgreSQL crashes, in each of its ways; and what a lock of its own proves, which belongs to a connection.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startPostgres, type PostgresServer } from "../support/postgres-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";
import { ask, eraOn, memberOf } from "./fixtures/standby.js";
import { Fleet } from "./fixtures/store-fleet.js";
import { assertAllGoOn, startRing } from "./fixtures/store-ring.js";

const deadlineMs = 30_000;

const crashes: Record<string, (server: PostgresServer) => Promise<void>> = {
  "SIGKILL of its first process": async (server) => {
    process.kill(server.pid!, "SIGKILL"); // the others notice, and end
    await waitUntil(() => server.pid, undefined, { deadlineMs, what: "the first process" });
    await startAgain(server);
  },
  "SIGKILL of all its processes": (server) => server.kill().then(() => server.start()),
  "an immediate stop": (server) => server.restart("immediate"),
};

/** A server does not start beside processes that its last run has left behind. */
function startAgain(server: PostgresServer): Promise<unknown> {
  const started = () =>
    server.start().then(
      () => true,
      () => false,
    );
  return waitUntil(started, true, { deadlineMs, what: "whether it has started" });
}

describe("a crash of PostgreSQL", { concurrency: 2 }, () => {
  for (const [how, crash] of Object.entries(crashes)) {
    test(`by ${how} costs no job and no session, and a dead one's key comes round`, async (t) => {
      await using server = await startPostgres();
      await using fleet = await Fleet.start();
      const setup = memberOf(server);
      const ring = await startRing(fleet, [setup, setup, setup]);
      const contender = ring[0]!.member;
      const dead = await fleet.add(setup);
      const token = await dead.run("dead");
      await contender.contend("dead");
      const era = await eraOn(server);
      const atMs = performance.now();
      await Promise.all([crash(server), fleet.kill(dead)]);
      const startedMs = performance.now() - atMs;
      await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, deadlineMs)));
      const beatsMs = performance.now() - atMs;
      const { tokens } = await contender.untilGranted("dead", deadlineMs);
      const freeMs = performance.now() - atMs;
      assert.ok(tokens[0]! > token, `${tokens[0]} after ${token}`);
      await contender.stop("dead");
      assert.equal((await eraOn(server)).number, era.number + 1);
      await assertAllGoOn(fleet, ring, deadlineMs);
      const [started, beats, free] = [startedMs, beatsMs, freeMs].map(Math.round);
      t.diagnostic(
        `${how}: serves after ${started} ms, heartbeats after ${beats} ms, a dead one's key after ${free} ms`,
      );
    });
  }
});

/** How many backends hold that kind of lock: the workers of those who are connected. */
async function locksHeld(server: PostgresServer): Promise<number> {
  const where = "locktype = 'advisory' AND mode = 'ShareLock' AND granted";
  return (await ask(server, `SELECT FROM pg_locks WHERE ${where}`)).length;
}

describe("a lock of PostgreSQL's own", { concurrency: 2 }, () => {
  test("stays with a holder that is stopped: its silence proves it dead, and it is told once it runs", async () => {
    await using server = await startPostgres();
    await using fleet = await Fleet.start();
    const [holder, other] = [await fleet.add({ url: server.url }), await fleet.add({ url: server.url })];
    const token = await holder.run("key");
    await other.run("warm");
    await other.stop("warm");
    const held = await locksHeld(server);
    await holder.freeze();
    const next = await other.run("key");
    assert.ok(next > token);
    assert.equal(await locksHeld(server), held, "the stopped one's connections are as they were");
    await holder.thaw();
    assert.equal((await holder.untilEnded("key", deadlineMs)).ended, "LockError taken-over");
    assert.equal((await other.stop("key")).ended, "stopped");
    await fleet.close();
    await fleet.ledger.assertNoOverlap();
  });

  test("stays with a half-open connection and proves nothing: the key goes once its session is silent", async () => {
    await using server = await startPostgres();
    await using proxy = await startProxy(server.port);
    await using fleet = await Fleet.start();
    const url = server.url.replace(`:${server.port}/`, `:${proxy.port}/`);
    const [holder, other] = [await fleet.add({ url }), await fleet.add({ url: server.url })];
    const token = await holder.run("key");
    await other.run("warm");
    await other.stop("warm");
    const held = await locksHeld(server);
    proxy.blackhole({ up: true, down: true });
    const next = await other.run("key");
    assert.ok(next > token);
    assert.ok((await locksHeld(server)) >= held, "to the server all are connected");
    proxy.heal();
    assert.equal((await holder.untilEnded("key", deadlineMs)).ended, "LockError taken-over");
    assert.equal((await other.stop("key")).ended, "stopped");
    await fleet.close();
    await fleet.ledger.assertNoOverlap();
  });
});
