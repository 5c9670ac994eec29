import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PostgresDatabase } from "../../../src/databases/postgres/postgres-database.js";
import { systemClock } from "../../../src/clock.js";
import { startPostgres, type PostgresServer } from "../../support/postgres-server.js";
import { waitUntil } from "../../support/wait.js";

let server: PostgresServer;

before(async () => {
  server = await startPostgres();
});

after(async () => {
  await server[Symbol.asyncDispose]();
});

/** The era, as a session of a connection of its own finds it. */
async function era(schema: string): Promise<string> {
  const database = new PostgresDatabase(server.url, { schema });
  const events = { onPush: () => undefined, onClose: () => undefined };
  const connection = database.openLiveness({ clock: systemClock }, events);
  try {
    await connection.ready;
    const request = { sessionId: "nobody.1", era: "", recoveryMs: 1, clockStepped: false };
    return (await connection.ping(request)).era;
  } finally {
    connection.close();
  }
}

for (const [name, lose] of [
  ["a restart in good order", () => server.restart("fast")],
  ["a crash of its machine", () => server.kill().then(() => server.start())],
] as const) {
  test(`${name} begins an era, once for all who ask`, async () => {
    const before = await era("restarted");
    assert.equal(await era("restarted"), before, "the same as long as it runs");
    await lose();
    const after = await era("restarted");
    assert.notEqual(after, before);
    assert.equal(await era("restarted"), after);
  });
}

test("a crash of one backend begins an era, though the first process runs on", async () => {
  const [before, first] = [await era("crashed"), server.pid];
  const client = await server.client();
  const started = async (): Promise<unknown> => {
    const asking = await server.client();
    const { rows } = await asking.query("SELECT pg_postmaster_start_time() AS at");
    await asking.end();
    return rows[0].at;
  };
  const at = await started();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  await client.query("CHECKPOINT"); // else the crash might lose the namespace itself, and it would be that
  process.kill(rows[0]!.pid, "SIGKILL");
  await waitUntil(async () => (await era("crashed").catch(() => before)) === before, false, {
    deadlineMs: 20_000,
    what: "whether the era is the one before",
  });
  assert.equal(server.pid, first);
  assert.deepEqual(await started(), at, "by its start time nobody would have noticed");
});
