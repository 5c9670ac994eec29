import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../support/postgres-server.js";
import { ClockShim } from "./clock-shim.js";

test("the clock of a PostgreSQL can be stepped while it runs", async (context) => {
  const shim = await ClockShim.open();
  if (typeof shim === "string") return context.diagnostic(`not run: ${shim}`);
  await using opened = shim;
  const clock = opened.clock();
  await using server = await startPostgres({ env: clock.env });
  const client = await server.client();
  const nowMs = async () =>
    Number((await client.query("SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms")).rows[0].ms);
  clock.set(3_600_000);
  assert.ok(Math.abs((await nowMs()) - Date.now() - 3_600_000) < 60_000);
  clock.set(0);
  assert.ok(Math.abs((await nowMs()) - Date.now()) < 60_000);
  await client.end();
  clock.close();
});
