// Redis preferred, PostgreSQL when Redis is away: on real servers, which are killed, frozen and brought back.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { schemaNames } from "../../../src/databases/postgres/schema.js";
import { spawnChild } from "../../support/child.js";
import { findBusy, newKey, record, take } from "../../support/lockers.js";
import { startProxy } from "../../support/tcp-proxy.js";
import { isNotGranted, TiersStage } from "../../support/tiers-stage.js";
import { waitUntil } from "../../support/wait.js";

test("with Redis gone PostgreSQL takes its place, and back: jobs live on, tokens grow", async () => {
  await using stage = await TiersStage.start();
  const [a, b] = [stage.locker(), stage.locker()];
  const [kept, key] = [newKey("kept"), newKey()];
  using lost = record("lost");
  const lease = await take(a, kept);
  const first = await take(a, key);
  await first.release();
  assert.equal((await findBusy(b, kept)).holder.fencingToken, lease.fencingToken);

  await stage.ask("UPDATE pulselock.tier SET ahead_ms = 60000"); // somebody saw Redis's clock ahead by so much
  await stage.redis.kill();
  const second = await take(b, key); // after awayMs and the window
  assert.equal((await stage.tier())?.isAway, true);
  assert.ok(second.fencingToken > first.fencingToken + 60_000_000);
  await lease.heartbeat();
  assert.equal((await findBusy(b, kept)).holder.fencingToken, lease.fencingToken);
  await second.release();
  await stage.redis.start();
  await stage.untilInUse("Redis");
  const third = await take(a, key);
  assert.ok(third.fencingToken > second.fencingToken);
  await lease.heartbeat();
  assert.equal((await findBusy(b, kept)).holder.fencingToken, lease.fencingToken);
  await lease.release();
  const again = await take(b, kept);
  assert.ok(again.fencingToken > lease.fencingToken);
  const ours = lost.events.filter((event) => [key, kept].includes(event.key));
  assert.deepEqual(ours, []);
});

test("one locker that is cut off from Redis alone changes nothing, and its keys go to others", async () => {
  await using stage = await TiersStage.start();
  await using proxy = await startProxy(stage.redis.port);
  const [a, b] = [stage.locker(), stage.locker()];
  const cutOff = stage.locker({}, { redisPort: proxy.port });
  const key = newKey();
  const leases = [await take(a, newKey()), await take(b, newKey())];
  const lease = await take(cutOff, key);
  const before = await stage.tier();
  proxy.refuse();
  proxy.cut();
  const next = await take(a, key, { waitMs: 10_000 });
  assert.ok(next.fencingToken > lease.fencingToken);
  assert.notEqual(lease.state, "held");
  await isNotGranted(cutOff, newKey()); // and awayMs is over meanwhile
  assert.deepEqual(await stage.tier(), before);
  await proxy.accept();
  await assert.rejects(lease.heartbeat(), { name: "LockError" });
  for (const one of leases) await one.heartbeat();
});

test("without PostgreSQL nothing is granted, heartbeats wait, and all goes on when it is back", async () => {
  await using stage = await TiersStage.start();
  const [a, b] = [stage.locker(), stage.locker()];
  using lost = record("lost");
  const key = newKey();
  const lease = await take(a, key);
  const other = await take(b, newKey());
  const before = await stage.tier();
  await stage.postgres.kill();
  await waitUntil(() => [lease.state, other.state], ["unsure", "unsure"], {
    deadlineMs: 5_000,
    what: "both leases' states",
  });
  let hasBeaten = false;
  const beat = lease.heartbeat().then(() => (hasBeaten = true));
  await isNotGranted(b, newKey());
  await isNotGranted(b, key); // its session lives on in Redis: nobody may judge it
  assert.equal(hasBeaten, false);
  await stage.postgres.start();
  await beat;
  await other.heartbeat();
  assert.equal((await findBusy(b, key)).holder.fencingToken, lease.fencingToken);
  const now = await stage.tier();
  assert.deepEqual([now!.isAway, now!.epoch > before!.epoch], [false, true]); // it might have forgotten a change
  assert.deepEqual(
    lost.events.filter((event) => event.key === key),
    [],
  );
});

test("a change that its maker does not finish is made by another", async () => {
  await using stage = await TiersStage.start();
  const [a, b] = [stage.locker(), stage.locker()];
  const lease = await take(a, newKey());
  await (await take(b, newKey())).release();
  const maker = await stage.postgres.client();
  await maker.query(`SET search_path = "${schemaNames("pulselock").functions}", pulselock`);
  await maker.query("BEGIN");
  await maker.query("SELECT change_tier(t, t.epoch, true, 'never', 700) FROM tier AS t");
  await lease.heartbeat(); // nobody else has heard of it, nor waits for it
  await stage.redis.kill();
  await maker.end(); // its transaction is undone
  const next = await take(b, newKey());
  assert.equal((await stage.tier())?.isAway, true);
  await next.release();
  await lease.heartbeat();
});

test("processes that contend through changes, one of them killed, hold one after the other", async () => {
  await using stage = await TiersStage.start();
  const folder = mkdtempSync(join(tmpdir(), "pulselock-tiers-"));
  const files = [0, 1, 2, 3, 4].map((n) => join(folder, `${n}`));
  const spawn = () => spawnChild(new URL("../../support/fixtures/tier-contender.js", import.meta.url));
  const children = await Promise.all(files.map(spawn));
  const urls = { redisUrl: stage.redis.url, postgresUrl: stage.postgres.url };
  await Promise.all(children.map((child, n) => child.request("start", { ...urls, key: "k", file: files[n]! })));
  const holds = () => readHolds(files);
  const more = async (what: "Redis" | "PostgreSQL") => {
    await stage.untilInUse(what);
    const before = holds().size;
    await waitUntil(
      () => holds().size,
      (size) => size >= before + 10,
      { deadlineMs: 20_000, what: "holds" },
    );
  };
  await more("Redis");
  await stage.redis.kill();
  await children[0]!.kill("SIGKILL");
  await more("PostgreSQL");
  await stage.redis.start();
  await more("Redis");
  await stage.redis.freeze();
  await more("PostgreSQL");
  stage.redis.thaw();
  await more("Redis");
  await Promise.all(children.slice(1).map((child) => child.request("stop")));
  checkHolds(holds());
  for (const child of children) await child[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** By token: when it was held, as its holder saw it. */
function readHolds(files: readonly string[]): Map<number, number[]> {
  const holds = new Map<number, number[]>();
  for (const file of files) {
    for (const line of existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : []) {
      const [token, atMs] = line.split(" ").map(Number) as [number, number];
      const known = holds.get(token);
      if (known) known.push(atMs);
      else holds.set(token, [atMs]);
    }
  }
  return holds;
}

function checkHolds(holds: Map<number, number[]>): void {
  let lastMs = 0;
  let lastToken = 0;
  for (const [token, times] of [...holds].toSorted(([a], [b]) => a - b)) {
    assert.ok(Math.min(...times) >= lastMs, `token ${token} was held before ${lastToken} had ended`);
    lastMs = Math.max(...times);
    lastToken = token;
  }
}
