// Two tiers as the contract wants them: Redis in use, in the namespace of the epoch that PostgreSQL recorded first.

import { TieredDatabase } from "../../src/databases/tiers/tiered-database.js";
import type { ContractStore } from "../contract/contract-stage.js";
import { openContractPostgres, type ContractPostgres } from "./contract-postgres.js";
import { contractOn } from "./contract-redis.js";
import { schemaNames } from "../../src/databases/postgres/schema.js";
import { sharedRedis } from "./redis-server.js";

/** One register for all: only Redis holds what a case is about. */
let register: Promise<ContractPostgres> | undefined;

export async function closeRegister(): Promise<void> {
  await (await register)?.[Symbol.asyncDispose]();
}

export async function openContractTiers(): Promise<ContractStore> {
  const postgres = await (register ??= openContractPostgres());
  const { client, schema } = postgres;
  const see = `SELECT "${schemaNames(schema).functions}".see_tier('first', '', 0, 0, NULL, 0, 0, 2500, 5000, 30000)`;
  await client.query(see);
  const { rows } = await client.query<{ epoch: string }>(`SELECT epoch FROM "${schema}".tier`);
  const shared = await sharedRedis();
  const redis = contractOn(shared, shared.url, "", `e${rows[0]!.epoch}:`);
  return { ...redis, database: new TieredDatabase(redis.database, postgres.database) };
}
