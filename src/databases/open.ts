import { OptionError } from "../errors.js";
import type { Database } from "./database.js";
import { MemoryDatabase } from "./local/memory/memory-database.js";
import { SqliteDatabase } from "./local/sqlite/sqlite-database.js";
import { PostgresDatabase } from "./postgres/postgres-database.js";
import { RedisDatabase } from "./redis/redis-database.js";
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
