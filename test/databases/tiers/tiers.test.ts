// Redis preferred, PostgreSQL when Redis is away: on real servers, which are killed, frozen and brought back.

import assert from "node:assert/strict";
import test from "node:test";
import { findBusy, newKey, record, take } from "../../support/lockers.js";
import { TiersStage } from "../../support/tiers-stage.js";
import { waitUntil } from "../../support/wait.js";

const inUse = (stage: TiersStage, isAway: boolean) =>
  waitUntil(async () => (await stage.tier())?.isAway, isAway, { deadlineMs: 15_000, what: "PostgreSQL is in use" });

test("with Redis gone PostgreSQL takes its place, and back: jobs live on, tokens grow, nobody holds twice", async () => {
  await using stage = await TiersStage.start();
  const [a, b] = [stage.locker(), stage.locker()];
  const [kept, key] = [newKey("kept"), newKey()];
  using lost = record("lost");
  const lease = await take(a, kept);
  const first = await take(a, key);
  await first.release();
  assert.equal((await findBusy(b, kept)).holder.fencingToken, lease.fencingToken);

  await stage.redis.kill();
  const second = await take(b, key); // after awayMs and the window
  assert.equal((await stage.tier())?.isAway, true);
  assert.ok(second.fencingToken > first.fencingToken);
  await lease.heartbeat();
  assert.equal((await findBusy(b, kept)).holder.fencingToken, lease.fencingToken);
  await second.release();
  await stage.redis.start();
  await inUse(stage, false);
  const third = await take(a, key);
  assert.ok(third.fencingToken > second.fencingToken);
  await lease.heartbeat();
  assert.equal((await findBusy(b, kept)).holder.fencingToken, lease.fencingToken);
  await lease.release();
  const again = await take(b, kept);
  assert.ok(again.fencingToken > lease.fencingToken);
  assert.deepEqual(lost.events.filter((event) => [key, kept].includes(event.key)), []);
});
