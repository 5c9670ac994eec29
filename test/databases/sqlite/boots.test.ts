// What another boot id in the file means: the host was started anew and all are dead, or a sandbox made one up and its
// processes live.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadDriver } from "../../../src/databases/local/sqlite/driver.js";
import { OtherBoot } from "../../../src/databases/local/other-boot.js";
import { Locker, SqliteDatabase } from "../../../src/index.js";
import { spawnChild, type Child } from "../../support/child.js";
import { fastLimits, newKey, take } from "../../support/lockers.js";
import { waitUntil } from "../../support/wait.js";

const RECOVERY_MS = 2_500;
const fixture = new URL("./fixtures/sandboxed.js", import.meta.url);
let folder = "";

before(() => (folder = mkdtempSync(join(tmpdir(), "pulselock-boots-"))));
after(() => rmSync(folder, { recursive: true }));

const fileOf = (name: string): string => join(folder, `${name}.db`);

function spawnSandboxed(name: string, bootId: string): Promise<Child> {
  return spawnChild(fixture, { env: { BOOT_ID: bootId, FILE: fileOf(name) } });
}

/** As after another start of the host. */
function startAnew(name: string): void {
  const db = new (loadDriver())(fileOf(name));
  db.exec(`UPDATE record SET value = json_set(value, '$.boot', 'of another start') WHERE kind = 'namespace'`);
  db.close();
}

test("after another start of the host nobody holds anything, and whom nobody preceded need not wait", async () => {
  await using locker = new Locker({ database: new SqliteDatabase(fileOf("clean")), ...fastLimits });
  const key = newKey();
  const lease = await take(locker, key);
  await lease.release();
  await locker.close();
  startAnew("clean");
  const database = new SqliteDatabase(fileOf("clean"), { recoveryMs: 20_000 });
  await using later = new Locker({ database, ...fastLimits, acquireTimeoutMs: 40_000 });
  const startedMs = performance.now();
  const again = await take(later, key);
  assert.ok(performance.now() - startedMs < 15_000, "a window would have been open for 20 s");
  assert.ok(again.fencingToken > lease.fencingToken);
  await again.release();
});

test("after a power cut the keys of the dead are granted once they were silent for the recovery window", async () => {
  const key = newKey();
  await using holder = await spawnSandboxed("cut", "of before");
  const token = await holder.request<number>("acquire", key, 0);
  assert.equal(typeof token, "number", String(token));
  await holder.kill("SIGKILL");
  await using locker = new Locker({ database: new SqliteDatabase(fileOf("cut")), ...fastLimits });
  const startedMs = performance.now();
  const lease = await take(locker, key);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= RECOVERY_MS, `after ${tookMs} ms`);
  assert.ok(lease.fencingToken > token);
  await lease.release();
});

test("a sandbox with a boot id of its own does not take the keys of another that lives, and says why", async () => {
  const key = newKey();
  await using holder = await spawnSandboxed("shared", "of one");
  await using other = await spawnSandboxed("shared", "of two");
  const token = await holder.request<number>("acquire", key, 0);
  assert.equal(typeof token, "number");
  assert.match(await other.request<string>("acquire", newKey(), 0), /used under another boot id/);
  assert.equal(await holder.request("state"), "held");
  await holder.kill("SIGKILL");
  const later = await other.request<number>("acquire", key, 0);
  assert.ok(later > token, `${later} after ${token}`);
});

test("one that was stopped until another sandbox has the file does not believe in its lease again", async () => {
  const key = newKey();
  await using holder = await spawnSandboxed("stopped", "of one");
  await using other = await spawnSandboxed("stopped", "of two");
  await holder.request("acquire", key, 0);
  await holder.kill("SIGSTOP");
  const token = await other.request<number>("acquire", key, 0);
  assert.equal(typeof token, "number");
  await holder.kill("SIGCONT");
  const seen = new Set<unknown>();
  const startedMs = performance.now();
  const look = async () => {
    seen.add(await holder.request("state"));
    return performance.now() - startedMs > 1_500;
  };
  await waitUntil(look, true, { deadlineMs: 10_000, what: "some looks" });
  assert.equal(seen.has("held"), false, [...seen].join());
  assert.equal(await other.request("state"), "held");
});

test("whoever wrote under another boot id is silent once nothing of it has changed for so long", () => {
  const boot = new OtherBoot();
  const isSilent = (signs: string, monoMs: number) => boot.isSilent(signs, 100, monoMs);
  assert.deepEqual([isSilent("a 1", 1_000), isSilent("a 1", 1_099), isSilent("a 1", 1_100)], [false, false, true]);
  assert.deepEqual([isSilent("a 2", 1_101), isSilent("a 2", 1_200), isSilent("a 2", 1_201)], [false, false, true]);
});
