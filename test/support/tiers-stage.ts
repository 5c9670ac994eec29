// Two real servers of one's own, and lockers on both as tiers, with small limits.

import { Locker, PostgresDatabase, RedisDatabase, TieredDatabase } from "../../src/index.js";
import type { LockerOptions, TieredDatabaseSettings } from "../../src/index.js";
import { fastLimits, fastSettings } from "./lockers.js";
import { startPostgres, type PostgresServer } from "./postgres-server.js";
import { startRedis, type RedisServer } from "./redis-server.js";

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

  /** `redisUrl`: where it finds Redis, if not where the others do. */
  locker(options: Partial<LockerOptions> = {}, redisUrl = this.redis.url): Locker {
    const database = openTiers(redisUrl, this.postgres.url);
    const locker = new Locker({ database, ...fastLimits, acquireTimeoutMs: 20_000, ...options });
    this.#lockers.push(locker);
    return locker;
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
