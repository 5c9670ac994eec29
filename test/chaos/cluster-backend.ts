// A Redis Cluster under faults: three masters with a replica each, and keys spread over one to four shards.

import type { Redis } from "ioredis";
import { startCluster, type RedisCluster } from "../support/redis-cluster.js";
import type { Backend, DoorPorts, FaultTools, Store, StoredHolder } from "./backend.js";
import { addressOf, clusterChanges, shortMsMax } from "./cluster-changes.js";
import type { Limits } from "./fleets.js";
import { nowMs } from "./journal.js";
import { canDropPackets } from "./kernel-faults.js";
import { faultKinds, specOf, type FaultKind } from "./kinds.js";
import type { DatabaseDescription } from "./member-protocol.js";
import { endScript, redisOrders } from "./redis-faults.js";
import { leftoversAmong, lockersIn, readHolders } from "./redis-records.js";
import type { Fault, Schedule } from "./schedule.js";

const prefix = "pulselock:";

const kinds = faultKinds.filter((kind) => {
  return specOf(kind).on === "link" || kind in clusterChanges || kind in redisOrders;
});

/** A node that runs these hears no other node: what lasts too long would have it replaced. */
const deafening: readonly FaultKind[] = ["store-sleep", "busy-script"];

export const clusterBackend: Backend = {
  name: "cluster",
  kinds,
  notRun: () => new Map(canDropPackets() ? [] : [["cluster-split", "packets cannot be dropped here"]]),
  start: (schedule) => ClusterStore.start(schedule),
};

class ClusterStore implements Store {
  readonly #cluster: RedisCluster;
  readonly #schedule: Schedule;
  readonly #shards: number;
  /** What changes the cluster takes turns: each leaves a whole one behind. So does what makes a node deaf. */
  #turn: Promise<unknown> = Promise.resolve();
  #startedMs: number | undefined;

  private constructor(cluster: RedisCluster, schedule: Schedule) {
    [this.#cluster, this.#schedule] = [cluster, schedule];
    this.#shards = 1 + (schedule.seed % 4);
  }

  static async start(schedule: Schedule): Promise<ClusterStore> {
    const extraArgs = ["--enable-debug-command", "yes", "--busy-reply-threshold", "200"];
    // Announced, or the others would take where its connections come from for where it listens.
    const own = ["--cluster-announce-ip", "127.0.0.1", "--protected-mode", "no"];
    const argsOf = (i: number): string[] => (canDropPackets() ? ["--bind-source-addr", addressOf(i), ...own] : []);
    return new ClusterStore(await startCluster({ extraArgs, argsOf }), schedule);
  }

  get port(): number {
    return this.#cluster.nodes[0]!.port;
  }

  get otherPorts(): number[] {
    return this.#cluster.nodes.slice(1).map(({ port }) => port);
  }

  /** No node ever moves. */
  onMoved(): void {}

  describe({ port, others }: DoorPorts, { database }: Limits, host: string | undefined): DatabaseDescription {
    const doors = [port, ...others].map((door) => ({ host: "127.0.0.1", port: door }));
    const named = this.#cluster.nodes.map((node, i) => [`127.0.0.1:${node.port}`, doors[i]!] as const);
    const source = { nodes: doors, natMap: Object.fromEntries(named) };
    const settings = { ...database, prefix, shards: this.#shards };
    return { backend: "cluster", source, settings, ...(host !== undefined && { host }) };
  }

  async apply(fault: Fault, tools: FaultTools): Promise<void> {
    this.#startedMs ??= nowMs() - fault.atMs;
    const change = clusterChanges[fault.kind];
    if (change) return this.#inTurn(() => change(this.#cluster, this.#shardOf(fault), fault, tools));
    const order = async (): Promise<void> => {
      const owner = await this.#cluster.ownerOf(this.#shardOf(fault));
      const durationMs = deafening.includes(fault.kind) ? Math.min(fault.durationMs, shortMsMax) : fault.durationMs;
      await redisOrders[fault.kind]!(this.#cluster.admin(owner), { ...fault, durationMs }, tools);
    };
    return deafening.includes(fault.kind) ? this.#inTurn(order) : order();
  }

  async heal(): Promise<void> {
    await this.#turn;
    const { nodes } = this.#cluster;
    nodes.forEach((node) => this.#cluster.thaw(node));
    await Promise.all(nodes.filter(({ pid }) => pid === undefined).map((node) => node.start()));
    for (const node of nodes) {
      const client = this.#cluster.admin(node);
      await endScript(client);
      await client.call("CLIENT", "UNPAUSE");
      await client.config("SET", "maxmemory", "0");
    }
    await this.#cluster.untilWhole();
  }

  async holders(): Promise<StoredHolder[]> {
    const found = await this.#eachShard((client, shardPrefix) => readHolders(client, shardPrefix));
    return found.flat();
  }

  async leftovers(): Promise<string[]> {
    const seen = await this.#eachShard(async (client, shardPrefix) => ({
      ...{ client, shardPrefix },
      names: (await client.keys("*")).filter((name) => name.startsWith(shardPrefix)),
    }));
    // What a task waits for is written where its locker's id leads, where that locker may have no session.
    const killed = new Set(seen.flatMap(({ shardPrefix, names }) => [...lockersIn(names, shardPrefix)]));
    const found = seen.map(({ client, shardPrefix, names }) => leftoversAmong(client, shardPrefix, names, killed));
    return (await Promise.all(found)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }

  /** The name that all of a shard's names have in common; its slot is the shard's. */
  #shardOf({ atMs, value = atMs }: Fault): string {
    return `${prefix}{${value % this.#shards}}`;
  }

  #eachShard<T>(read: (client: Redis, shardPrefix: string) => Promise<T>): Promise<T[]> {
    const shards = Array.from({ length: this.#shards }, (_, i) => `${prefix}{${i}}`);
    return Promise.all(shards.map(async (name) => read(await this.#cluster.client(name), name)));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => {
      const endMs = this.#startedMs! + this.#schedule.durationMs;
      if (nowMs() > endMs) throw new Error("other changes of the cluster took until the end");
      await work();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
