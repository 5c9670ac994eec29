// The stores a deploy is tried on, each a real one of its own, and how either build is told of it.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Pulselock from "../../src/index.js";
import type { Database, RedisDatabase } from "../../src/index.js";
import { startPostgres } from "../support/postgres-server.js";
import { startCluster } from "../support/redis-cluster.js";
import { startSentinels } from "../support/redis-sentinels.js";
import { startRedis } from "../support/redis-server.js";

const RECOVERY_MS = 1_500;
const settings = { recoveryMs: RECOVERY_MS };
const redisSettings = { ...settings, prefix: "deploy:" };

/** What of the package a member needs: of either build. */
export type Build = Pick<
  typeof Pulselock,
  "Locker" | "RedisDatabase" | "PostgresDatabase" | "SqliteDatabase" | "TieredDatabase"
>;

type Store = AsyncDisposable & { readonly url: string };
type Kind = { start(): Promise<Store>; open(build: Build, url: string): Database };

const redis = (build: Build, url: string): RedisDatabase => new build.RedisDatabase(url, redisSettings);

const KINDS = {
  redis: { start: startRedis, open: redis },
  sentinel: { start: startSentinels, open: redis },
  cluster: { start: startCluster, open: redis },
  postgres: { start: startPostgres, open: (build, url) => new build.PostgresDatabase(url, settings) },
  sqlite: { start: startFile, open: (build, url) => new build.SqliteDatabase(url, settings) },
  tiers: {
    start: startTiers,
    open: (build, url) => {
      const [first, second] = url.split(" ") as [string, string];
      return new build.TieredDatabase(redis(build, first), new build.PostgresDatabase(second, settings));
    },
  },
} satisfies Record<string, Kind>;

export type Backend = keyof typeof KINDS;
export const BACKENDS = Object.keys(KINDS) as Backend[];

export function startStore(backend: Backend): Promise<Store> {
  return KINDS[backend].start();
}

/** In a member's process. `url`: of a store that was started here; it need be understood by nobody else. */
export function openStore(build: Build, backend: Backend, url: string): Database {
  return KINDS[backend].open(build, url);
}

async function startFile(): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), "pulselock-deploy-store-"));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { url: join(folder, "locks.db"), [Symbol.asyncDispose]: dispose };
}

async function startTiers(): Promise<Store> {
  const [first, second] = await Promise.all([startRedis(), startPostgres()]);
  const dispose = async (): Promise<void> => {
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  };
  return { url: `${first.url} ${second.url}`, [Symbol.asyncDispose]: dispose };
}
