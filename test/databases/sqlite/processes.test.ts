// What several processes of one host make of one file, also when they are killed at any point.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadDriver } from "../../../src/databases/local/sqlite/driver.js";
import { Locker, SqliteDatabase } from "../../../src/index.js";
import { spawnChild, type Child } from "../../support/child.js";
import { fastLimits, newKey } from "../../support/lockers.js";
import { mulberry32, seed, waitUntil } from "../../support/wait.js";
import { Register, type RegisterTotals } from "./fixtures/register.js";

const fixture = new URL("./fixtures/contender.js", import.meta.url);
const random = mulberry32(seed());
let folder = "";

before(() => (folder = mkdtempSync(join(tmpdir(), "pulselock-sqlite-"))));
after(() => rmSync(folder, { recursive: true }));

const fileOf = (name: string): string => join(folder, `${name}.db`);

async function spawnContender(name: string): Promise<Child> {
  const child = await spawnChild(fixture);
  await child.request("open", { database: `sqlite:${fileOf(name)}`, ...fastLimits }, fileOf(`${name}-register`));
  return child;
}

function totalsOf(name: string): RegisterTotals {
  const register = new Register(fileOf(`${name}-register`));
  const totals = register.totals();
  register.close();
  return totals;
}

function integrity(name: string): unknown {
  const db = new (loadDriver())(fileOf(name));
  const found = db.prepare("PRAGMA integrity_check").all()[0]?.["integrity_check"];
  db.close();
  return found;
}

test("four processes that contend for a key lose no count, and each has its turn", async () => {
  const contenders = await Promise.all([1, 2, 3, 4].map(() => spawnContender("four")));
  const key = newKey();
  await Promise.all(contenders.map((child) => child.request("count", key)));
  await waitUntil(() => totalsOf("four").writes >= 400, true, { deadlineMs: 60_000, what: "400 writes" });
  await Promise.all(contenders.map((child) => child.request("stop")));
  const done = await Promise.all(contenders.map((child) => child.request<number>("done")));
  assert.ok(
    done.every((count) => count > 20),
    `each has its turn: ${done.join(" ")}`,
  );
  for (const child of contenders) await child[Symbol.asyncDispose]();
  const { value, writes, lost, refused } = totalsOf("four");
  assert.deepEqual([value - writes, lost, refused], [0, 0, 0]);
});

test("killed at any point, processes leave a whole file, no key held and no count lost", async () => {
  const key = newKey();
  const contenders = await Promise.all([1, 2, 3].map(() => spawnContender("killed")));
  await Promise.all(contenders.map((child) => child.request("count", key)));
  await waitUntil(() => totalsOf("killed").writes > 0, true, { deadlineMs: 30_000, what: "a first write" });
  for (let kill = 0; kill < 12; kill++) {
    await sleep(random() * 120); // waits: the point at which the next one is killed
    const i = Math.floor(random() * contenders.length);
    await contenders[i]!.kill("SIGKILL");
    contenders[i] = await spawnContender("killed");
    await contenders[i]!.request("count", key);
  }
  const before = totalsOf("killed").writes;
  await waitUntil(() => totalsOf("killed").writes > before + 20, true, { deadlineMs: 30_000, what: "writes go on" });
  for (const child of contenders) await child.kill("SIGKILL");
  const { value, writes, lost, refused } = totalsOf("killed");
  assert.deepEqual([value - writes, lost, refused], [0, 0, 0]);
  assert.equal(integrity("killed"), "ok");
});

test("a key of a process that was killed is granted to one that waits within 300 ms", async () => {
  await using locker = new Locker({ database: new SqliteDatabase(fileOf("takeover")), ...fastLimits });
  const tookMs: number[] = [];
  for (let i = 0; i < 5; i++) {
    await using holder = await spawnContender("takeover");
    const key = newKey();
    const token = await holder.request<number>("hold", key);
    const waiting = locker.acquire(key, { waitMs: 30_000 });
    await sleep(150); // waits: the waiter is to stand in the queue
    const killedMs = performance.now();
    await holder.kill("SIGKILL");
    const acquired = await waiting;
    tookMs.push(performance.now() - killedMs);
    assert.ok(acquired.status === "SUCCESS" && acquired.lease.fencingToken > token);
    await acquired.lease.release();
  }
  const median = tookMs.toSorted((a, b) => a - b)[2]!;
  assert.ok(median <= 300, `took ${tookMs.map(Math.round).join(" ")} ms`);
});

test("a file that is deleted or replaced under those who use it gives no key to two", async () => {
  for (const how of ["deleted", "replaced"] as const) {
    const [one, two] = [await spawnContender(how), await spawnContender(how)];
    const key = newKey();
    await Promise.all([one, two].map((child) => child.request("count", key)));
    await waitUntil(() => totalsOf(how).writes > 20, true, { deadlineMs: 30_000, what: "writes" });
    for (const suffix of ["", "-wal", "-shm"]) {
      const path = `${fileOf(how)}${suffix}`;
      if (how === "deleted") rmSync(path, { force: true });
      else if (existsSync(path)) renameSync(path, `${fileOf("old")}${suffix}`);
    }
    const three = await spawnContender(how);
    await three.request("count", key);
    const all = [one, two, three];
    const counts = (): Promise<number[]> => Promise.all(all.map((child) => child.request<number>("done")));
    const before = await counts();
    const allWorkOn = (done: number[]): boolean => done.every((count, i) => count > before[i]! + 10);
    await waitUntil(counts, allWorkOn, { deadlineMs: 60_000, what: "all work on" });
    for (const child of all) await child[Symbol.asyncDispose]();
    const { value, writes, lost, refused } = totalsOf(how);
    assert.deepEqual([value - writes, lost, refused], [0, 0, 0], how);
  }
});
