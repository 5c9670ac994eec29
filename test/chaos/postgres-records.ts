// What members have left in a PostgreSQL, and what can be done to it by statements.

import type { Client } from "pg";
import { openClient } from "../support/postgres-server.js";
import type { FaultTools, StoredHolder } from "./backend.js";

const TABLES = ["namespace", "sessions", "keys", "shares", "waiters", "blocked"];

type Row = { key: string; token: string; session: string; pid: string; locker: string; mode: string };

/**
 * Every lease of the present era that has not run out, those that are only kept left out; without a pid when its
 * session is over. What was given back a moment before a crash may be there again, in the era before: it holds nothing.
 */
const LEASES = `
  SELECT k.key, k.token, l.session, l.locker, k.mode, s.pid FROM pulselock.keys AS k
  JOIN (
    SELECT key, session, locker, state, until_ms FROM pulselock.shares
    UNION ALL SELECT key, session, locker, state, until_ms FROM pulselock.keys WHERE mode = 'x'
  ) AS l ON l.key = k.key
  LEFT JOIN pulselock.sessions AS s ON s.id = l.session AND s.dead_ms IS NULL
  JOIN pulselock.namespace AS n ON n.era = k.era
  WHERE k.mode IS NOT NULL AND l.state <> 'k' AND l.until_ms > extract(epoch FROM clock_timestamp()) * 1000`;

export async function readHolders(client: Client): Promise<StoredHolder[]> {
  const { rows } = await client.query<Row>(`${LEASES} AND s.pid IS NOT NULL`);
  return rows.map(({ key, token, session, pid }) => ({ key, token: Number(token), session, pid: Number(pid) }));
}

/**
 * When every locker has closed: no lease but permits of the killed, who have left their sessions behind, and no place
 * in a queue but theirs. That a task waits is not on disk at once when it is said or taken back, and ends by itself.
 */
export async function readLeftovers(client: Client): Promise<string[]> {
  const sessions = await client.query<{ locker: string }>(
    "SELECT regexp_replace(id, '\\.[^.]*$', '') AS locker FROM pulselock.sessions",
  );
  const killed = new Set(sessions.rows.map(({ locker }) => locker));
  const leases = (await client.query<Row>(LEASES)).rows.filter((row) => row.mode !== "p" || !killed.has(row.locker));
  const waiting = (
    await client.query<{ key: string; locker: string }>(
      "SELECT key, locker FROM pulselock.waiters AS w JOIN pulselock.namespace AS n ON n.era = w.era",
    )
  ).rows;
  return [
    ...leases.map((row) => `${row.key} = ${JSON.stringify(row)}`),
    ...waiting.filter(({ locker }) => !killed.has(locker)).map(({ key, locker }) => `${key}: a place of ${locker}`),
  ];
}

/**
 * In one step for whoever is at work: it locks the tables. Rows that are merely deleted are gone for a verb's next
 * statement while its last one had still seen the era in which they counted, and it grants what is held.
 */
export async function eraseAll(client: Client): Promise<void> {
  await client.query(`TRUNCATE ${TABLES.map((name) => `pulselock.${name}`).join(", ")}`);
}

/** Ends the connections of which the condition holds, but for our own. */
export async function terminate(client: Client, condition: string): Promise<void> {
  await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity " +
      `WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND ${condition}`,
  );
}

/** Somebody's transaction holds every table for a while. */
export async function lockTables(url: string, durationMs: number, tools: FaultTools): Promise<void> {
  const client = await openClient(url);
  try {
    await client.query("BEGIN");
    await client.query("LOCK TABLE pulselock.sessions, pulselock.keys IN ACCESS EXCLUSIVE MODE");
    tools.begun();
    await tools.wait(durationMs);
    await client.query("ROLLBACK");
  } finally {
    await client.end();
  }
}
