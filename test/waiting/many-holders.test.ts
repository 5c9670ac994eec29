// More holders of one key than an answer of the store tells: the dead among them are found as soon as one of a few.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RedisDatabase, type AcquireOptions } from "../../src/index.js";
import { Actor } from "../contract/contract-stage.js";
import { lockersForFile } from "../support/file-lockers.js";
import { fastLimits, fastSettings, newKey, take } from "../support/lockers.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const { redis: server, prefix, lockers } = await lockersForFile({});
const [locker] = lockers;
const MANY = 40;
/** Who is silent and without its connection for disconnectGraceMs may be judged; and a look a second is enough. */
const FOUND_MS = fastLimits.disconnectGraceMs + 1_500;

/** Sessions that live as long as their connections, each with one lease of the key. */
async function holders(key: string, how: Parameters<Actor["acquire"]>[1]): Promise<Actor[] & AsyncDisposable> {
  const database = new RedisDatabase(server.url, { ...fastSettings, prefix });
  const actors = Array.from({ length: MANY }, () => new Actor(database, {}));
  await Promise.all(
    actors.map(async (actor) => {
      await actor.liveness.ready;
      await actor.leases.whenUp(AbortSignal.timeout(10_000));
      await actor.liveness.listen(actor.sessionId);
      const { disconnectGraceMs } = fastLimits;
      await actor.begin({ disconnectGraceMs, driftMs: 100, recoveryMs: fastSettings.recoveryMs });
      await actor.take(key, how);
    }),
  );
  const end = () => Promise.all(actors.map((actor) => actor[Symbol.asyncDispose]())).then(() => undefined);
  return Object.assign(actors, { [Symbol.asyncDispose]: end });
}

/** How long the wait takes from the end of some of them, ms. */
async function untilGranted(key: string, options: AcquireOptions, dead: readonly Actor[]): Promise<number> {
  const waiting = take(locker, key, { waitMs: 30_000, ...options });
  const client = server.client();
  await waitUntil(() => client.exists(`${prefix}q:${key}`), 1, { deadlineMs: 10_000, what: "the queue" });
  const startedMs = performance.now();
  for (const actor of dead) actor.liveness.close();
  const lease = await withDeadline(waiting, 30_000, "the grant");
  const tookMs = performance.now() - startedMs;
  await lease.release();
  return tookMs;
}

test("a writer has the key in time when all of many readers are killed at once", async () => {
  const key = newKey();
  await using readers = await holders(key, { mode: "shared" });
  const tookMs = await untilGranted(key, {}, readers);
  assert.ok(tookMs < FOUND_MS, `took ${tookMs} ms`);
});

test("who waits for a permit has it in time when one of many holders is killed", async () => {
  for (let i = 0; i < 3; i++) {
    const key = newKey();
    const permits = { limit: MANY, take: 1 };
    await using actors = await holders(key, { mode: "permits", permits });
    const tookMs = await untilGranted(key, { permits }, [actors[7 * i]!]);
    assert.ok(tookMs < FOUND_MS, `took ${tookMs} ms`);
  }
});

test("one that asks once has the permit of the one among many holders that is dead", async () => {
  const key = newKey();
  const permits = { limit: MANY, take: 1 };
  await using actors = await holders(key, { mode: "permits", permits });
  const [dead] = actors;
  dead!.liveness.close();
  const isLate = async (): Promise<boolean> => {
    const { session } = await actors[1]!.leases.readSession(dead!.sessionId, actors[1]!.identity);
    return session.connectionGone === true && session.silentMs > fastLimits.disconnectGraceMs + 100;
  };
  await waitUntil(isLate, true, { deadlineMs: 5_000, what: "whether the dead one can be judged" });
  await (await take(locker, key, { permits })).release();
});

test("who waits for permits of many dead ones in another mode has the key in time", async () => {
  const key = newKey();
  await using actors = await holders(key, { mode: "permits", permits: { limit: MANY, take: 1 } });
  const startedMs = performance.now();
  for (const actor of actors) actor.liveness.close();
  const lease = await withDeadline(take(locker, key, { waitMs: 30_000 }), 30_000, "the grant");
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < FOUND_MS, `took ${tookMs} ms`);
  await lease.release();
});
