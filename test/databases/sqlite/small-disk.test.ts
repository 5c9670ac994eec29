// A disk that is full or read-only, for real: a file system of 1 MB in a mount namespace of the process that uses it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnChild, type Child } from "../../support/child.js";
import { fastLimits, newKey } from "../../support/lockers.js";
import { waitUntil } from "../../support/wait.js";

const fixture = new URL("./fixtures/small-disk.js", import.meta.url);

/** In a namespace of its own, so that no rights are needed and nothing of the machine changes. */
async function spawnOnSmallDisk(): Promise<Child> {
  const folder = mkdtempSync(join(tmpdir(), "pulselock-disk-"));
  const mount = 'mount -t tmpfs -o size=1m small "$0" && exec "$@"';
  const execArgv = ["-rm", "sh", "-c", mount, folder, process.execPath];
  const child = await spawnChild(fixture, { execPath: "unshare", execArgv, env: { FOLDER: folder } });
  void child.exited.then(() => rmSync(folder, { recursive: true }));
  return child;
}

test("on a full disk a holder keeps its trust, and what it had is as it was when there is room again", async () => {
  await using child = await spawnOnSmallDisk();
  for (const name of ["one", "two"]) await child.request("open", name);
  const key = newKey();
  const token = await child.request<number>("acquire", "one", key);
  assert.equal(typeof token, "number", String(token));
  assert.equal(await child.request("fill"), 0);
  const untilMs = performance.now() + 2 * fastLimits.sessionTtlMs;
  while (performance.now() < untilMs) {
    assert.equal(await child.request("heartbeat", key), "");
    await sleep(100); // waits: the time in which a session that cannot ping would be silent for too long
  }
  assert.equal(await child.request("state", key), "held");
  assert.equal(await child.request("acquire", "two", key), "SOMEONE_ELSE_HOLDS_LOCK");
  await child.request("free");
  await child.request("release", key);
  assert.ok((await child.request<number>("acquire", "two", key)) > token);
});

test("what has no room on a full disk is refused with the reason, granted to nobody, and to be had later", async () => {
  await using child = await spawnOnSmallDisk();
  await child.request("open", "one");
  await child.request("acquire", "one", "first");
  await child.request("fill");
  let refused = "";
  for (let i = 0; refused === "" && i < 5_000; i++) {
    const answer = await child.request<number | string>("acquire", "one", `key-${i}`);
    if (typeof answer === "string") refused = `key-${i} ${answer}`;
  }
  assert.match(refused, /StoreError out-of-memory: SQLite .*: the disk is full; nothing was granted/);
  assert.equal(await child.request("heartbeat", "first"), "");
  await child.request("free");
  const token = await child.request("acquire", "one", refused.split(" ")[0]);
  assert.equal(typeof token, "number", String(token));
});

test("close() on a full disk ends in its time, and leaves a file that the next can use", async () => {
  await using child = await spawnOnSmallDisk();
  await child.request("open", "one");
  await child.request("acquire", "one", "kept");
  await child.request("fill");
  assert.ok((await child.request<number>("close", "one")) < 5_000);
  await child.request("free");
  await child.request("open", "two");
  const token = await child.request("acquire", "two", "other");
  assert.equal(typeof token, "number", String(token));
});

test("a read-only disk is named as the cause, with a file and without, and used once it is writable", async () => {
  for (const isThere of [false, true]) {
    await using child = await spawnOnSmallDisk();
    if (isThere) await child.request("useOnce");
    await child.request("remount", "ro");
    await child.request("open", "one");
    assert.match(await child.request<string>("acquire", "one", "key"), /StoreError read-only: .* (disk|file)/);
    await child.request("remount", "rw");
    const acquired = async () => typeof (await child.request("acquire", "one", "key"));
    await waitUntil(acquired, "number", { deadlineMs: 20_000, what: "a grant" });
    await child.request("release", "key");
    assert.ok((await child.request<number>("close", "one")) < 5_000);
  }
});
