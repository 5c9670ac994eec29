import { pathToFileURL } from "node:url";
import type { RedisOptions } from "ioredis";
import { OptionError } from "../errors.js";
import type { Database, DatabaseDescription } from "./database.js";
import type { PostgresDatabaseSettings, PostgresOptions } from "./postgres/postgres-database.js";
import type { RedisDatabase, RedisDatabaseSettings } from "./redis/redis-database.js";

type Described<Type> = Extract<DatabaseDescription, { type: Type }>;

/**
 * From a serialisable description to a database. Loads that backend alone: in the worker's thread the first acquire of
 * a process waits for it.
 */
export async function openDatabase(description: DatabaseDescription): Promise<Database> {
  switch (description.type) {
    case "url":
      return openServer(description.url);
    case "memory":
      throw new OptionError("database", "memory", "is in one thread alone");
    case "sqlite": {
      const { SqliteDatabase } = await import("./local/sqlite/sqlite-database.js");
      return new SqliteDatabase(description.path, description.settings);
    }
    case "module":
      return loadModule(description.moduleName, description.exportName);
    case "tiers":
      return openTiers(description);
    case "postgres": {
      const { PostgresDatabase } = await import("./postgres/postgres-database.js");
      const { options, settings } = description;
      return new PostgresDatabase(options as PostgresOptions, settings as PostgresDatabaseSettings);
    }
    case "redis": {
      const { RedisDatabase } = await import("./redis/redis-database.js");
      const { url, ...options } = description.options as { url?: string } & RedisOptions;
      return new RedisDatabase(url ?? options, description.settings as RedisDatabaseSettings);
    }
  }
}

/** The others describe themselves by more than their URL. */
async function openServer(url: string): Promise<Database> {
  if (url.startsWith("postgres")) {
    const { PostgresDatabase } = await import("./postgres/postgres-database.js");
    return new PostgresDatabase(url);
  }
  const { RedisDatabase } = await import("./redis/redis-database.js");
  return new RedisDatabase(url);
}

async function openTiers({ redis, postgres, settings }: Described<"tiers">): Promise<Database> {
  const { TieredDatabase } = await import("./tiers/tiered-database.js");
  const [first, second] = await Promise.all([openDatabase(redis), openDatabase(postgres)]);
  return new TieredDatabase(
    first as RedisDatabase,
    second as ConstructorParameters<typeof TieredDatabase>[1],
    settings,
  );
}

async function loadModule(moduleName: string, exportName: string): Promise<Database> {
  const specifier = /^([a-z]+:|[^/\\.])/i.test(moduleName) && !/^[a-z]:[\\/]/i.test(moduleName);
  const module = (await import(specifier ? moduleName : pathToFileURL(moduleName).href)) as Record<string, unknown>;
  const fromDefault = (module["default"] ?? {}) as Record<string, unknown>; // a CommonJS module's exports may sit there
  const database = (module[exportName] ?? fromDefault[exportName]) as Database | undefined;
  if (typeof database?.openLeases !== "function") {
    throw new OptionError("database", exportName, `must name an export of ${moduleName} that is a database`);
  }
  return database;
}
