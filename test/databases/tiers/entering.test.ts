// Who enters the next epoch with what it holds, who may not, and who decides that there is one.

import assert from "node:assert/strict";
import test from "node:test";
import { findBusy, newKey, record, take } from "../../support/lockers.js";
import { startProxy } from "../../support/tcp-proxy.js";
import { isNotGranted, TiersStage } from "../../support/tiers-stage.js";
import { waitUntil } from "../../support/wait.js";

test("a Redis that falls silent costs no lease: the register knows that nobody was served for longer", async () => {
  await using stage = await TiersStage.start();
  const [a, b] = [stage.locker(), stage.locker()];
  using lost = record("lost");
  const [key, other] = [newKey(), newKey()];
  const [lease, second] = [await take(a, key), await take(b, other)];
  await stage.redis.freeze(); // no connection breaks: an answer is waited for until trust has long been over
  await stage.untilInUse("PostgreSQL");
  await lease.heartbeat();
  await second.heartbeat();
  assert.equal((await findBusy(b, key)).holder.fencingToken, lease.fencingToken);
  stage.redis.thaw();
  await stage.untilInUse("Redis");
  await lease.heartbeat();
  assert.deepEqual(
    lost.events.filter((event) => [key, other].includes(event.key)),
    [],
  );
});

test("who was cut off from Redis while others were served does not enter: they may have condemned it", async () => {
  await using stage = await TiersStage.start();
  await using proxy = await startProxy(stage.redis.port);
  const [a, b] = [stage.locker(), stage.locker()];
  const cutOff = stage.locker({}, { redisPort: proxy.port });
  const leases = [await take(a, newKey()), await take(b, newKey())];
  const lease = await take(cutOff, newKey());
  proxy.refuse();
  proxy.cut();
  await waitUntil(() => lease.state, "unsure", { deadlineMs: 5_000, what: "the lease's state" });
  await Promise.all(leases.map((one) => one.heartbeat.delay(500))); // waits: others are served longer than it
  await stage.redis.kill();
  await assert.rejects(lease.heartbeat(), { code: "store-lost-data" });
  assert.equal((await stage.tier())?.isAway, true);
  for (const one of leases) await one.heartbeat();
});

test("who missed an epoch does not enter the next one: its keys may have gone to others there", async () => {
  await using stage = await TiersStage.start();
  await using redisLink = await startProxy(stage.redis.port);
  await using postgresLink = await startProxy(stage.postgres.port);
  const [a, b] = [stage.locker(), stage.locker()];
  const away = stage.locker({}, { redisPort: redisLink.port, postgresPort: postgresLink.port });
  const key = newKey();
  const others = [await take(a, newKey()), await take(b, newKey())];
  const lease = await take(away, key);
  await stage.redis.kill();
  for (const link of [redisLink, postgresLink]) {
    link.refuse();
    link.cut();
  }
  await stage.untilInUse("PostgreSQL");
  const next = await take(a, key); // nobody has written it again
  assert.ok(next.fencingToken > lease.fencingToken);
  await next.release();
  await stage.redis.start();
  await stage.untilInUse("Redis");
  for (const link of [redisLink, postgresLink]) await link.accept();
  await assert.rejects(lease.heartbeat(), { name: "LockError" });
  await (await take(away, key)).release(); // it goes on under a fresh session
  for (const one of others) await one.heartbeat();
});

test("half of the lockers are no majority; with one more all go over, and who saw Redis loses nothing", async () => {
  await using stage = await TiersStage.start();
  await using proxy = await startProxy(stage.redis.port);
  await using another = await startProxy(stage.redis.port);
  const sees = stage.locker();
  const through = (port: number) => stage.locker({}, { redisPort: port });
  const lockers = [sees, through(another.port), through(proxy.port), through(proxy.port)];
  const leases = await Promise.all(lockers.map((locker) => take(locker, newKey())));
  const before = await stage.tier();
  proxy.refuse();
  proxy.cut();
  await isNotGranted(lockers[2]!, newKey()); // and awayMs is over meanwhile
  assert.deepEqual(await stage.tier(), before);
  another.refuse();
  another.cut();
  await stage.untilInUse("PostgreSQL");
  await leases[0]!.heartbeat();
  for (const locker of lockers) await (await take(locker, newKey())).release();
  const lost = leases.slice(2).map((lease) => lease.heartbeat());
  for (const one of lost) await assert.rejects(one, { name: "LockError" });
});

test("who does not see the epoch grants nothing, though it sees Redis; nor who has never seen it", async () => {
  await using stage = await TiersStage.start();
  await using proxy = await startProxy(stage.postgres.port);
  const sees = stage.locker();
  const [blind, fresh] = [proxy, proxy].map(({ port }) => stage.locker({}, { postgresPort: port }));
  const [key, held] = [newKey(), newKey()];
  const lease = await take(blind!, held);
  await (await take(sees, newKey())).release();
  proxy.refuse();
  proxy.cut();
  await waitUntil(() => lease.state, "unsure", { deadlineMs: 5_000, what: "the lease's state" });
  await Promise.all([isNotGranted(blind!, key), isNotGranted(fresh!, key)]);
  const next = await take(sees, key, { waitMs: 5_000 });
  assert.equal((await findBusy(sees, held)).holder.fencingToken, lease.fencingToken); // it pings: nobody may judge it
  await proxy.accept();
  await lease.heartbeat();
  assert.equal((await findBusy(fresh!, key)).holder.fencingToken, next.fencingToken);
});

test("a register that has forgotten an epoch begins another one, and what was held in it is held on", async () => {
  await using stage = await TiersStage.start();
  const [a, b] = [stage.locker(), stage.locker()];
  using lost = record("lost");
  const [first, second] = [newKey(), newKey()];
  const early = await take(a, first);
  await (await take(b, newKey())).release();
  const before = await stage.tier();
  let forgotten = before;
  const late = await stage.postgres.revert(async () => {
    await stage.redis.freeze();
    await stage.untilInUse("PostgreSQL");
    forgotten = await stage.tier();
    return take(b, second);
  });
  const fresh = stage.locker(); // it knows nothing of the forgotten epoch, and may be the first who asks
  stage.redis.thaw();
  assert.equal((await findBusy(fresh, second)).holder.fencingToken, late.fencingToken);
  assert.equal((await findBusy(fresh, first)).holder.fencingToken, early.fencingToken);
  const now = await stage.tier();
  assert.ok(now!.epoch > forgotten!.epoch && forgotten!.epoch > before!.epoch);
  await early.heartbeat();
  await late.heartbeat();
  assert.deepEqual(
    lost.events.filter((event) => [first, second].includes(event.key)),
    [],
  );
});
