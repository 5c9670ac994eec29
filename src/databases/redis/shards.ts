import type { RedisOptions } from "ioredis";
import { StoreError } from "../../errors.js";
import type { StoreContext } from "../database.js";
import { ClusterNodes, slotOf } from "./cluster-nodes.js";
import { toStoreError } from "./redis-errors.js";
import type { ReadSource } from "./source.js";

/** Where the keys of a cluster's locker lie: so many slots, each with sessions and an era of its own. */
export class Shards {
  readonly count: number;
  readonly nodes: ClusterNodes;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  #agreed: Promise<void> | undefined;

  constructor({ nodes, options, natMap }: ReadSource, prefix: string, count: number, timeoutMs: number) {
    this.nodes = new ClusterNodes(nodes!, options as RedisOptions, natMap);
    this.#prefix = prefix;
    this.count = count;
    this.#timeoutMs = timeoutMs;
  }

  /** What stands before every name of that shard. Where the user's prefix has braces, all shards share its slot. */
  prefixOf(shard: number): string {
    return `${this.#prefix}{${shard}}`;
  }

  /** Keys with the same {tag} are in the same shard. */
  shardOf(key: string): number {
    return slotOf(key) % this.count;
  }

  /**
   * Two lockers that spread the same keys over different numbers of shards would grant the same key twice: the first
   * that ever came has written the number down. Looked at once, by each thread.
   */
  agree({ clock }: StoreContext): Promise<void> {
    const name = `${this.#prefix}shards`;
    const look = async (): Promise<void> => {
      const known = await this.nodes
        .askMaster(slotOf(name), clock, this.#timeoutMs, async (client) => {
          await client.set(name, String(this.count), "NX");
          return client.get(name);
        })
        .catch((cause: unknown) => {
          throw toStoreError(cause);
        });
      if (known === String(this.count)) return;
      const rule = "all lockers with one prefix must have the same number, or a key could be held twice";
      throw new StoreError("unsupported", `Redis: shards is ${this.count} here and ${known} in ${name}: ${rule}`);
    };
    this.#agreed ??= look().catch((error: unknown) => {
      this.#agreed = undefined;
      throw error;
    });
    return this.#agreed;
  }
}
