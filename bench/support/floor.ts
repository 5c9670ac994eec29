// The least that a lock can cost: SET NX PX with a random token and a compare-and-delete, on one connection. It has no
// fencing token, and nobody notices when its holder is dead.

import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";

const compareAndDelete = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`;

export type Cycle = (key: string) => Promise<void>;
export type Floor = { cycle: Cycle; close(): Promise<unknown> };
export type FloorSetup = { url: string; ttlMs: number; enableAutoPipelining?: boolean };

/** In the shape of the peers of bench/peers, with the ioredis that ours uses. */
export function openFloor({ url, ttlMs, enableAutoPipelining = false }: FloorSetup): Floor {
  const client = new Redis(url, {
    enableAutoPipelining,
    scripts: { release: { numberOfKeys: 1, lua: compareAndDelete } },
  });
  const { release } = client as unknown as { release: (key: string, token: string) => Promise<number> };
  return {
    async cycle(key) {
      const token = randomUUID();
      if ((await client.set(key, token, "PX", ttlMs, "NX")) !== "OK") throw new Error(`${key} is held`);
      if ((await release.call(client, key, token)) !== 1) throw new Error(`${key} was lost`);
    },
    close: () => client.quit(),
  };
}
