// Redis as the contract wants it: a namespace of its own on a shared server, and a hand in its records.

import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { RedisDatabase } from "../../src/databases/redis/redis-database.js";
import { readSource, type RedisSource } from "../../src/databases/redis/source.js";
import type { ContractStore } from "../contract/contract-stage.js";
import { sharedRedis, type SharedRedis } from "./redis-server.js";

export interface ContractRedis extends ContractStore {
  readonly database: RedisDatabase;
  readonly prefix: string;
  readonly client: Redis;
  readonly url: string;
}

/** On the server that the tests share, unless given one of its own: it is disposed of with the store. */
export async function openContractRedis(redis?: SharedRedis, keyPrefix = ""): Promise<ContractRedis> {
  const server = redis ?? (await sharedRedis());
  const { options } = readSource(server.url);
  return contractOn(server, { ...options, keyPrefix }, keyPrefix);
}

/**
 * `redis`: where the records are; `source`: how lockers reach them. Names begin with the client's keyPrefix, the
 * database's own prefix, and the tag of a cluster's slot.
 */
export function contractOn(redis: SharedRedis, source: RedisSource, keyPrefix = "", tag = ""): ContractRedis {
  const client = redis.client();
  const own = `contract-${randomUUID()}:`;
  const prefix = `${keyPrefix}${own}${tag}`;
  const session = (id: string): string => `${prefix}s:${id}`;
  const erase = async (): Promise<void> => {
    const names = await keysUnder(client, prefix);
    if (names.length > 0) await client.del(...names);
  };
  return {
    database: new RedisDatabase(source, { prefix: own }),
    seesConnections: true,
    ...{ prefix, client, url: redis.url },
    loseMemory: erase,
    interrupt: async () => void (await client.hset(`${prefix}n`, "run", "of another process")),
    age: async (id, { silentMs = 0, steadyMs = 0 }) => {
      if ((await client.exists(session(id))) === 0) throw new Error(`there is no record of ${id}`);
      await client.hincrby(session(id), "last", -silentMs);
      await client.hincrby(session(id), "steady", -steadyMs);
    },
    ageMark: async (key, byMs) => {
      const raw = (await client.get(`${prefix}l:${key}`)) ?? "";
      const [, before, mark, after] = /^(2 r(?: \S+){5} )(\d+)( [^]*)$/.exec(raw) ?? [];
      if (!mark) throw new Error(`there is no mark: ${raw}`);
      const aged = Number(mark) - byMs;
      await client.set(`${prefix}l:${key}`, `${before}${aged}${after}`, "PX", 600_000);
      return aged;
    },
    [Symbol.asyncDispose]: async () => {
      await erase();
      await redis[Symbol.asyncDispose]();
    },
  };
}

/** Every key of that namespace. */
export async function keysUnder(client: Redis, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const page of client.scanStream({ match: `${prefix}*`, count: 1_000 })) names.push(...(page as string[]));
  return names;
}
