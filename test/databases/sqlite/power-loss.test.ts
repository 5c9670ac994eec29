// What a power cut leaves: the file, and of the log any part that had reached the disk, perhaps with a torn end.

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../../../src/clock.js";
import { loadDriver } from "../../../src/databases/local/sqlite/driver.js";
import { SqliteConnection } from "../../../src/databases/local/sqlite/sqlite-connection.js";
import { takeBlock } from "../../../src/databases/local/queue.js";
import type { Step } from "../../../src/databases/local/step.js";
import { spawnChild } from "../../support/child.js";
import { fastLimits, newKey } from "../../support/lockers.js";
import { mulberry32, seed, waitUntil } from "../../support/wait.js";
import { Register } from "./fixtures/register.js";

const CUTS = 60;
const fixture = new URL("./fixtures/contender.js", import.meta.url);
const random = mulberry32(seed());
let folder = "";

before(() => (folder = mkdtempSync(join(tmpdir(), "pulselock-power-"))));
after(() => rmSync(folder, { recursive: true }));

/** Two processes that count under one key until they are killed together. Returns the last token that wrote. */
async function useAndKill(path: string): Promise<number> {
  const register = `${path}-register`;
  const children = await Promise.all([1, 2].map(() => spawnChild(fixture)));
  const key = newKey();
  for (const child of children) {
    await child.request("open", { database: `sqlite:${path}`, ...fastLimits }, register);
    await child.request("count", key);
  }
  const db = new Register(register);
  await waitUntil(() => db.totals().writes > 100, true, { deadlineMs: 60_000, what: "100 writes" });
  await Promise.all(children.map((child) => child.kill("SIGKILL")));
  const { fence } = db.totals();
  db.close();
  return fence;
}

/** The first step of a process that meets the file after the cut, on the same host and after another start of it. */
async function firstStep<T>(path: string, boot: string, work: (step: Step) => T): Promise<T> {
  const host = { boot, timeNamespace: "of this host", isSilent: () => true, isGone: () => true };
  const settings = { path, lockTimeoutMs: 2_000, allowNetworkFile: false };
  const events = { onChange: () => undefined, onClose: () => undefined };
  const connection = new SqliteConnection(settings, "leases", host, systemClock, events);
  await connection.ready;
  try {
    return await connection.run(work);
  } finally {
    connection.close();
  }
}

test("after a power cut at any point of the log the file is whole, nobody holds a key, and tokens grow", async () => {
  const path = join(folder, "used.db");
  const lastToken = await useAndKill(path);
  const log = readFileSync(`${path}-wal`);
  assert.ok(log.length > 100_000, `the log has ${log.length} bytes`);
  const left = { leases: 0, nothing: 0 };
  for (let cut = 0; cut < CUTS; cut++) {
    const copy = join(folder, `cut-${cut}.db`);
    copyFileSync(path, copy);
    const kept = Buffer.from(log.subarray(0, Math.floor(random() * log.length)));
    const torn = Math.min(kept.length, Math.floor(random() * 3_000));
    if (cut % 2 === 0) kept.fill(cut, kept.length - torn);
    writeFileSync(`${copy}-wal`, kept);
    const db = new (loadDriver())(copy);
    assert.equal(db.prepare("PRAGMA integrity_check").all()[0]?.["integrity_check"], "ok");
    const tables = db.prepare("SELECT count(*) AS n FROM sqlite_master").all()[0]?.["n"];
    if (tables === 0) left.nothing += 1;
    else left.leases += Number(db.prepare("SELECT count(*) AS n FROM record WHERE kind = 'lease'").all()[0]?.["n"]);
    db.close();
    const found = await firstStep(copy, "after the cut", (step) => {
      const leases = step.records.scanAll("lease").length;
      return { leases, sessions: step.records.scanAll("session").length, token: takeBlock(step, 1)[0] };
    });
    assert.deepEqual([found.leases, found.sessions], [0, 0], `cut ${cut} at ${kept.length}`);
    assert.ok(found.token > lastToken, `${found.token} after ${lastToken}`);
  }
  assert.ok(left.leases > 0, "some cuts left a lease that was held");
});
