import { pathToFileURL } from "node:url";
import type { RedisOptions } from "ioredis";
import { OptionError } from "../errors.js";
import type { Database, DatabaseDescription } from "./database.js";
import { MemoryDatabase } from "./local/memory/memory-database.js";
import { SqliteDatabase } from "./local/sqlite/sqlite-database.js";
import { PostgresDatabase, type PostgresDatabaseSettings, type PostgresOptions } from "./postgres/postgres-database.js";
import { RedisDatabase, type RedisDatabaseSettings } from "./redis/redis-database.js";
import { TieredDatabase } from "./tiers/tiered-database.js";

export { unlockedDatabase } from "./local/unlocked/unlocked-database.js";

const SCHEMES = "redis://, rediss://, unix://, redis+sentinel://, redis+cluster://, postgres://, sqlite: or memory:";

/** What a URL alone says, or that of Redis and that of PostgreSQL with a space between; for Redis under that prefix. */
export function openUrl(url: string, prefix?: string): Database {
  const tiers = /^(\S+) (postgres(?:ql)?:\S+)$/.exec(url);
  if (tiers) {
    const redis = new RedisDatabase(tiers[1]!, prefix === undefined ? {} : { prefix });
    return new TieredDatabase(redis, tiers[2]!);
  }
  const other = openOther(url);
  if (!other && !/^(rediss?(\+\w+)?|unix):|^\//.test(url)) {
    throw new OptionError("database", url, `must be a URL that begins with ${SCHEMES}`);
  }
  if (!other) return new RedisDatabase(url, prefix === undefined ? {} : { prefix });
  if (prefix === undefined) return other;
  throw new OptionError("prefix", prefix, "is for Redis alone");
}

function openOther(url: string): Database | undefined {
  if (url === "memory:") return (memory ??= new MemoryDatabase());
  if (/^sqlite:/i.test(url)) return SqliteDatabase.fromUrl(url);
  if (/^postgres(ql)?:/.test(url)) return new PostgresDatabase(url);
  return undefined;
}

/** That of this process: whoever names it shares it. */
let memory: MemoryDatabase | undefined;

/** From a serialisable description to a database. The only file that knows every backend. */
export async function openDatabase(description: DatabaseDescription): Promise<Database> {
  if (description.type === "url") return openUrl(description.url);
  if (description.type === "memory") throw new OptionError("database", "memory", "is in one thread alone");
  if (description.type === "sqlite") return new SqliteDatabase(description.path, description.settings);
  if (description.type === "module") return loadModule(description.moduleName, description.exportName);
  if (description.type === "tiers") {
    const [redis, postgres] = [await openDatabase(description.redis), await openDatabase(description.postgres)];
    return new TieredDatabase(redis as RedisDatabase, postgres as PostgresDatabase, description.settings);
  }
  if (description.type === "postgres") {
    const { options, settings } = description;
    return new PostgresDatabase(options as PostgresOptions, settings as PostgresDatabaseSettings);
  }
  const { url, ...options } = description.options as { url?: string } & RedisOptions;
  return new RedisDatabase(url ?? options, description.settings as RedisDatabaseSettings);
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
