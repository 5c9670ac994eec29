// The harness's own loss of all data: whoever is at work sees it as one step, as it would a TRUNCATE or a DROP.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PostgresDatabase } from "../../src/index.js";
import { schemaNames } from "../../src/databases/postgres/schema.js";
import { Actor, RECOVERY_MS } from "../contract/contract-stage.js";
import { startPostgres } from "../support/postgres-server.js";
import { waitUntil } from "../support/wait.js";
import { eraseAll } from "./postgres-records.js";

const deadline = { deadlineMs: 10_000, what: "how many wait for a lock" };

test("an acquire that waits while all is erased finds its key held, and the next one a new era", async () => {
  await using server = await startPostgres();
  const database = new PostgresDatabase(server.url);
  await using holder = new Actor(database, {});
  await using asker = new Actor(database, {});
  for (const actor of [holder, asker]) {
    await actor.leases.whenUp(AbortSignal.timeout(10_000));
    await actor.begin();
  }
  const [hand, eraser] = [await server.client(), await server.client()];
  await hand.query("UPDATE pulselock.sessions SET steady_ms = steady_ms - $1", [RECOVERY_MS]);
  await Promise.all([holder.ping(), asker.ping()]); // the window closes
  // The first verb writes to its session's row, and whoever erases that waits for it.
  await Promise.all([holder.take("key"), asker.take("other")]);
  const verbs = schemaNames("pulselock").functions;
  await hand.query(`SET search_path = "${verbs}", pulselock`);
  await hand.query("BEGIN");
  await hand.query("SELECT lock_keys(ARRAY['key'])");
  const waiting = (): Promise<number> =>
    hand.query("SELECT FROM pg_locks WHERE NOT granted").then(({ rowCount }) => rowCount ?? 0);
  const asked = asker.acquire("key");
  await waitUntil(waiting, 1, deadline);
  const erased = eraseAll(eraser);
  await Promise.race([erased, waitUntil(waiting, 2, deadline)]);
  await hand.query("COMMIT");
  assert.equal((await asked).status, "held", "it had seen the era in which the key is held, and so the key");
  await erased;
  assert.equal((await asker.acquire("key")).status, "condemned", "nobody knows it any more");
  assert.equal((await holder.ping()).status, "reenter");
  await Promise.all([hand.end(), eraser.end()]);
});
