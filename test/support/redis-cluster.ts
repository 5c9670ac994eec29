// A Redis Cluster of one's own: three masters with a replica each, real ones, quick to fail over.

import type { Redis } from "ioredis";
import type { RedisClusterSource } from "../../src/index.js";
import { admin } from "./admin.js";
import { startRedis, type RedisServer } from "./redis-server.js";
import { waitUntil } from "./wait.js";

const deadlineMs = 30_000;
const MASTERS = 3;
const SLOTS = 16_384;
/** How long a node may be silent before the others take it for failed, ms. */
export const NODE_TIMEOUT_MS = 1_000;

const extraArgs = [
  ...["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)],
  ...["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"],
];

export async function startCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: 2 * MASTERS }, () => startRedis({ extraArgs })));
  const cluster = new RedisCluster(nodes);
  try {
    await join(nodes);
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

async function join(nodes: readonly RedisServer[]): Promise<void> {
  const [first] = nodes as [RedisServer];
  for (const [i, node] of nodes.entries()) {
    await admin(node).call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    if (node !== first) await admin(first).call("CLUSTER", "MEET", "127.0.0.1", node.port);
    const [from, to] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / MASTERS)) as [number, number];
    if (i < MASTERS) await admin(node).call("CLUSTER", "ADDSLOTSRANGE", from, to - 1);
  }
  const ids = await Promise.all(nodes.map(idOf));
  const knows = async (node: RedisServer): Promise<boolean> => {
    const lines = String(await admin(node).call("CLUSTER", "NODES"));
    return ids.every((id) => lines.includes(id)) && !lines.includes("handshake");
  };
  for (const node of nodes) await waitUntil(() => knows(node), true, { deadlineMs, what: "a node knows all" });
  for (const [i, node] of nodes.slice(MASTERS).entries()) await admin(node).call("CLUSTER", "REPLICATE", ids[i]!);
  await Promise.all(nodes.map((node, i) => untilServes(node, i >= MASTERS)));
}

async function untilServes(node: RedisServer, isReplica: boolean): Promise<void> {
  const serves = async (): Promise<boolean> => {
    const state = String(await admin(node).call("CLUSTER", "INFO"));
    const replication = await admin(node).info("replication");
    return state.includes("cluster_state:ok") && (!isReplica || replication.includes("master_link_status:up"));
  };
  await waitUntil(serves, true, { deadlineMs, what: "a node serves" });
}

const idOf = async (node: RedisServer): Promise<string> => String(await admin(node).call("CLUSTER", "MYID"));

export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly RedisServer[];

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  get source(): RedisClusterSource {
    return { nodes: this.nodes.map(({ port }) => ({ host: "127.0.0.1", port })) };
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  /** Who owns the key's slot, as the first node that is up and in the majority says. */
  async ownerOf(key: string): Promise<RedisServer> {
    for (const node of this.nodes.filter(({ pid }) => pid !== undefined)) {
      const slots = (await admin(node).call("CLUSTER", "SLOTS")) as [number, number, [string, number]][];
      const slot = await this.slotOf(key);
      const range = slots.find(([from, to]) => from <= slot && slot <= to);
      const owner = this.nodes.find(({ port }) => port === range?.[2][1]);
      if (owner) return owner;
    }
    throw new Error(`nobody owns the slot of ${key}`);
  }

  async slotOf(key: string): Promise<number> {
    const node = this.nodes.find(({ pid }) => pid !== undefined)!;
    return Number(await admin(node).call("CLUSTER", "KEYSLOT", key));
  }

  /** A master that is not that one. */
  async otherMaster(owner: RedisServer): Promise<RedisServer> {
    for (const node of this.nodes) {
      if (node === owner || node.pid === undefined) continue;
      if ((await admin(node).info("replication")).includes("role:master")) return node;
    }
    throw new Error("there is no other master");
  }

  /** Moves the slot of a key as an operator does, key by key. `between`: while some are here and some there. */
  async moveSlot(key: string, between: () => Promise<void> = async () => undefined): Promise<void> {
    const [slot, from] = [await this.slotOf(key), await this.ownerOf(key)];
    const to = await this.otherMaster(from);
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await admin(to).call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await admin(from).call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    const left = async (): Promise<string[]> =>
      (await admin(from).call("CLUSTER", "GETKEYSINSLOT", slot, 100_000)) as string[];
    const move = async (keys: readonly string[]): Promise<void> => {
      if (keys.length > 0) await admin(from).call("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys);
    };
    // The namespace's record first: so every session is stuck from the beginning, wherever its own record is.
    const isFirst = (name: string): boolean => name.endsWith("}n");
    await move((await left()).filter(isFirst));
    const rest = await left();
    await move(rest.slice(0, Math.floor(rest.length / 2)));
    await between();
    for (let keys = await left(); keys.length > 0; keys = await left()) await move(keys);
    for (const node of [to, from]) await admin(node).call("CLUSTER", "SETSLOT", slot, "NODE", toId);
  }

  /** Asks a replica of that master to take over, as an operator does. */
  async order(owner: RedisServer): Promise<void> {
    const id = await idOf(owner);
    for (const node of this.nodes) {
      const myself = String(await admin(node).call("CLUSTER", "NODES"))
        .split("\n")
        .find((line) => /myself/.test(line));
      if (myself?.includes(`slave ${id}`)) return void (await admin(node).call("CLUSTER", "FAILOVER"));
    }
    throw new Error("that master has no replica");
  }

  /** Until somebody else owns the key's slot, and every node that is up says so. */
  async untilReplaced(key: string, owner: RedisServer): Promise<void> {
    const isReplaced = async (): Promise<boolean> => (await this.ownerOf(key).catch(() => owner)) !== owner;
    await waitUntil(isReplaced, true, { deadlineMs, what: `another owner of ${key}` });
  }

  /** A client of the node that owns the key. */
  async client(key: string): Promise<Redis> {
    return admin(await this.ownerOf(key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }
}
