// Outages as long as they really are, with the default limits. They are waited out side by side.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { assertNothingLeft } from "./fixtures/leftovers.js";
import { Fleet, type MemberSetup } from "./fixtures/store-fleet.js";
import { untilReasserted } from "./fixtures/store-records.js";
import { assertAllGoOn, startRing, type Ring } from "./fixtures/store-ring.js";

const longMs = 30_000;

/** The limits of a locker that is told none, and beats that leave the core to others. */
function defaults(server: { url: string }): Omit<MemberSetup, "ledgerUrl"> {
  return { url: server.url, limits: {}, settings: {}, beatMs: 100 };
}

function lasts(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms)); // waits: the outage itself
}

/** As long as whoever is wrongly believed dead could still be condemned after the outage. */
function untilJudged(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000)); // waits: twice the disconnect grace
}

/** While it lasted, the jobs waited in their heartbeats. */
async function assertWaited(ring: Ring, ms: number): Promise<void> {
  for (const { member, own } of ring) {
    const { slowestBeatMs } = await member.job(own);
    assert.ok(slowestBeatMs >= ms, `${own} waited ${slowestBeatMs} ms`);
  }
}

async function assertSurvivesOutage(server: RedisServer, outageMs: number): Promise<void> {
  await using fleet = await Fleet.start();
  const ring = await startRing(fleet, [defaults(server), defaults(server)]);
  await server.kill();
  await lasts(outageMs);
  await server.start();
  await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, longMs)));
  await assertWaited(ring, outageMs - 3_000);
  for (const { member, own } of ring) {
    const { tokens } = await member.job(own);
    await untilReasserted(server, own, tokens[0]!, longMs);
  }
  await assertAllGoOn(fleet, ring, longMs);
  await assertNothingLeft(server);
}

/** One of them is back a little later than the others, who find it silent for longer than any limit. */
async function assertSurvivesStall(server: RedisServer, stall: () => Promise<void>): Promise<void> {
  await using proxy = await startProxy(server.port);
  await using fleet = await Fleet.start();
  const ring = await startRing(fleet, [proxy, server, server, server].map(defaults));
  proxy.hold();
  await stall();
  await new Promise((resolve) => setTimeout(resolve, 800)); // waits: what the last one is late
  proxy.heal();
  await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, longMs)));
  await assertWaited(ring, 12_000);
  await untilJudged();
  await assertAllGoOn(fleet, ring, longMs);
  await assertNothingLeft(server);
}

describe("a long outage", { concurrency: true }, () => {
  test("a job waits in its heartbeat while Redis is gone for 30 s, and goes on when it is back", async () => {
    await using server = await startRedis({ appendonly: true });
    await assertSurvivesOutage(server, 30_000);
  });

  test("a job goes on under its token when Redis comes back empty after 30 s", async () => {
    await using server = await startRedis();
    await assertSurvivesOutage(server, 30_000);
  });

  test("nobody is condemned while Redis is stopped for 15 s", async () => {
    await using server = await startRedis();
    await assertSurvivesStall(server, async () => {
      await server.freeze();
      await lasts(15_000);
      server.thaw();
    });
  });

  test("nobody is condemned while Redis is busy for 15 s", async () => {
    await using server = await startRedis({ extraArgs: ["--enable-debug-command", "yes"] });
    await assertSurvivesStall(server, async () => void (await server.client().call("DEBUG", "SLEEP", "15")));
  });

  test("ten processes whose network goes away for 48 s lose no job and condemn nobody", async () => {
    await using server = await startRedis();
    await using refusing = await startProxy(server.port);
    await using silent = await startProxy(server.port);
    await using fleet = await Fleet.start();
    const ring = await startRing(
      fleet,
      Array.from({ length: 10 }, (_, i) => defaults(i % 2 === 0 ? refusing : silent)),
    );
    refusing.refuse();
    refusing.cut();
    silent.blackhole();
    await lasts(48_000);
    await refusing.accept();
    silent.heal();
    await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, longMs)));
    await assertWaited(ring, 45_000);
    await untilJudged();
    await assertAllGoOn(fleet, ring, longMs);
    await assertNothingLeft(server);
  });
});
