// Two real servers of one's own, and lockers on both as tiers, with small limits.

import assert from "node:assert/strict";
import { Locker, PostgresDatabase, RedisDatabase, TieredDatabase } from "../../src/index.js";
import type { LockerOptions, TieredDatabaseSettings } from "../../src/index.js";
import { fastLimits, fastSettings } from "./lockers.js";
import { startPostgres, type PostgresServer } from "./postgres-server.js";
import { startRedis, type RedisServer } from "./redis-server.js";
import { waitUntil } from "./wait.js";

export const tierSettings = { awayMs: 1_000, backMs: 1_000 } as const satisfies TieredDatabaseSettings;

export function openTiers(
  redisUrl: string,
  postgresUrl: string,
  settings: TieredDatabaseSettings = {},
): TieredDatabase {
  const { recoveryMs, commandTimeoutMs } = fastSettings;
  const redis = new RedisDatabase(redisUrl, { recoveryMs, commandTimeoutMs });
  const postgres = new PostgresDatabase(postgresUrl, { recoveryMs, commandTimeoutMs });
  return new TieredDatabase(redis, postgres, { ...tierSettings, ...settings });
}

export type TierPorts = { readonly redisPort?: number; readonly postgresPort?: number };

export class TiersStage implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly #lockers: Locker[] = [];

  static async start(): Promise<TiersStage> {
    const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
    return new TiersStage(redis, postgres);
  }

  /** Use start(). */
  constructor(redis: RedisServer, postgres: PostgresServer) {
    this.redis = redis;
    this.postgres = postgres;
  }

  /** One that finds the stores where those ports lead, if not where they are. */
  locker(options: Partial<LockerOptions> = {}, { redisPort, postgresPort }: TierPorts = {}): Locker {
    const at = (url: string, own: number, port = own): string => url.replace(`:${own}`, `:${port}`);
    const { redis, postgres } = this;
    const database = openTiers(at(redis.url, redis.port, redisPort), at(postgres.url, postgres.port, postgresPort));
    const locker = new Locker({ database, ...fastLimits, acquireTimeoutMs: 20_000, ...options });
    this.#lockers.push(locker);
    return locker;
  }

  async untilInUse(what: "Redis" | "PostgreSQL"): Promise<void> {
    const read = async (): Promise<boolean | undefined> => (await this.tier())?.isAway;
    await waitUntil(read, what === "PostgreSQL", { deadlineMs: 20_000, what: "PostgreSQL is in use" });
  }

  /** Which store is in use, as the register has it; undefined before it was ever asked. */
  async tier(): Promise<{ epoch: number; isAway: boolean } | undefined> {
    const [row] = await this.ask("SELECT epoch, is_away FROM pulselock.tier");
    return row && { epoch: Number(row["epoch"]), isAway: row["is_away"] === true };
  }

  async ask(text: string): Promise<Record<string, unknown>[]> {
    const client = await this.postgres.client();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#lockers.map((locker) => locker.close()));
    await Promise.all([this.redis[Symbol.asyncDispose](), this.postgres[Symbol.asyncDispose]()]);
  }
}

/** Not in three seconds, longer than awayMs and the window. */
export async function isNotGranted(locker: Locker, key: string): Promise<void> {
  await assert.rejects(locker.acquire(key, { signal: AbortSignal.timeout(3_000) }), { name: "TimeoutError" });
}
