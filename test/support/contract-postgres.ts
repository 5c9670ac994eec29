// PostgreSQL as the contract wants it: a schema of its own on a shared server, and a hand in its tables.

import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { PostgresDatabase, type PostgresDatabaseSettings } from "../../src/databases/postgres/postgres-database.js";
import type { ContractStore } from "../contract/contract-stage.js";
import { openClient, sharedPostgresUrl } from "./postgres-server.js";

export interface ContractPostgres extends ContractStore {
  readonly database: PostgresDatabase;
  readonly schema: string;
  readonly client: Client;
  readonly url: string;
}

const TABLES = ["namespace", "sessions", "keys", "shares", "waiters", "blocked", "lived"];

/** Emptied, a schema is as good as new; to make one takes longer than most cases do. */
const idle: string[] = [];

async function emptySchema(client: Client): Promise<string> {
  const known = idle.pop();
  if (known) return known;
  const schema = `contract_${randomUUID().replaceAll("-", "")}`;
  await client.query(new PostgresDatabase(await sharedPostgresUrl(), { schema }).migration());
  return schema;
}

export async function openContractPostgres(
  settings: PostgresDatabaseSettings = {},
  source?: string,
  seesConnections = true,
): Promise<ContractPostgres> {
  const url = await sharedPostgresUrl();
  const client = await openClient(url);
  const schema = await emptySchema(client);
  const change = async (text: string, ...values: unknown[]): Promise<number> =>
    (await client.query(text.replaceAll("$s", `"${schema}"`), values)).rowCount ?? 0;
  const erase = async (): Promise<void> => {
    await client.query(TABLES.map((name) => `DELETE FROM "${schema}".${name}`).join(";"));
  };
  return {
    database: new PostgresDatabase(source ?? url, { schema, ...settings }),
    seesConnections,
    ...{ schema, client, url },
    loseMemory: erase,
    interrupt: async () => void (await change("UPDATE $s.namespace SET run = 'another'")),
    age: async (id, { silentMs = 0, steadyMs = 0 }) => {
      const text = "UPDATE $s.sessions SET last_ms = last_ms - $2, steady_ms = steady_ms - $3 WHERE id = $1";
      if ((await change(text, id, silentMs, steadyMs)) === 0) throw new Error(`there is no record of ${id}`);
    },
    ageMark: async (key, byMs) => {
      const text =
        `UPDATE "${schema}".keys SET marked_ms = marked_ms - $2, until_ms = until_ms + 600000 ` +
        "WHERE key = $1 AND state = 'r' RETURNING marked_ms";
      const marked = (await client.query<{ marked_ms: string }>(text, [key, byMs])).rows[0];
      if (!marked) throw new Error(`there is no mark on ${key}`);
      return Number(marked.marked_ms);
    },
    [Symbol.asyncDispose]: async () => {
      await erase();
      await client.end();
      idle.push(schema);
    },
  };
}
