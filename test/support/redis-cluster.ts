// A Redis Cluster of one's own: three masters with a replica each, real ones, quick to fail over.

import type { Redis } from "ioredis";
import type { RedisClusterSource } from "../../src/index.js";
import { freePort } from "./ports.js";
import { startRedis, type RedisServer, type RedisServerOptions } from "./redis-server.js";
import { waitUntil } from "./wait.js";

const deadlineMs = 30_000;
const MASTERS = 3;
const SLOTS = 16_384;
/** How long a node may be silent before the others take it for failed, ms. */
export const NODE_TIMEOUT_MS = 1_000;
/** A node's second port, on which nodes talk to each other, lies so far above the first. */
export const BUS = 10_000;

const clusterArgs = [
  ...["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)],
  ...["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"],
];

export type ClusterOptions = Pick<RedisServerOptions, "extraArgs"> & {
  /** Of the node with that index. */
  readonly argsOf?: (index: number) => readonly string[];
};

/** Resolves once all of it serves, 2 s later: so long a master that was just started takes no writes. */
export async function startCluster({ extraArgs = [], argsOf = () => [] }: ClusterOptions = {}): Promise<RedisCluster> {
  for (let attempt = 1; ; attempt++) {
    const ports = await Promise.all(Array.from({ length: 2 * MASTERS }, freeNodePort));
    const starts = ports.map((port, i) => {
      const args = [...clusterArgs, ...extraArgs, ...argsOf(i)];
      return startRedis({ port, extraArgs: args, files: { "nodes.conf": firstView(ports, i) } });
    });
    const started = await Promise.allSettled(starts);
    const nodes = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const cluster = new RedisCluster(nodes);
    try {
      const failed = started.find((one) => one.status === "rejected");
      if (failed) throw failed.reason;
      await cluster.untilWhole();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      // Another process took a port between the look and the start.
      if (attempt === 5 || !(error instanceof Error && error.message.includes("Address already in use"))) throw error;
    }
  }
}

/** Both ports below those that the system picks for outgoing connections: see freePort(). */
async function freeNodePort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port + BUS < 32_768) return port;
  }
}

/** What a node knows of the cluster before it was ever started: as if it had been told all and stopped. */
function firstView(ports: readonly number[], own: number): string {
  const idAt = (i: number): string => String(i + 1).repeat(40);
  const lines = ports.map((port, i) => {
    const [isMaster, first] = [i < MASTERS, Math.floor((i * SLOTS) / MASTERS)];
    const role = isMaster ? "master -" : `slave ${idAt(i - MASTERS)}`;
    const epoch = (isMaster ? i : i - MASTERS) + 1;
    const slots = isMaster ? ` ${first}-${Math.floor(((i + 1) * SLOTS) / MASTERS) - 1}` : "";
    const address = `127.0.0.1:${port}@${port + BUS}`;
    return `${idAt(i)} ${address} ${i === own ? "myself," : ""}${role} 0 0 ${epoch} connected${slots}`;
  });
  return [...lines, `vars currentEpoch ${MASTERS} lastVoteEpoch 0`, ""].join("\n");
}

type Slots = readonly (readonly [from: number, to: number, master: readonly [string, number]])[];

export type MoveOptions = {
  /** While some keys are here and some there. */
  readonly half?: () => Promise<void>;
  /** After each key, of so many. */
  readonly each?: (keys: number) => Promise<void>;
  /** Default: the namespace's record, so that every session is stuck from the beginning, wherever its own record is. */
  readonly isFirst?: (name: string) => boolean;
};

export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly RedisServer[];
  readonly #clients = new Map<RedisServer, Redis>();
  readonly #frozen = new Set<RedisServer>();

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  get source(): RedisClusterSource {
    return { nodes: this.nodes.map(({ port }) => ({ host: "127.0.0.1", port })) };
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  /** For orders and questions of the harness. Fails where the node does not answer. */
  admin(node: RedisServer): Redis {
    const client = this.#clients.get(node) ?? node.client({ commandTimeout: 4_000, maxRetriesPerRequest: 0 });
    this.#clients.set(node, client);
    return client;
  }

  /** SIGSTOP. It is not asked for anything until it is thawed. */
  async freeze(node: RedisServer): Promise<void> {
    this.#frozen.add(node);
    await node.freeze();
  }

  thaw(node: RedisServer): void {
    this.#frozen.delete(node);
    node.thaw();
  }

  /** Who owns the key's slot, as most of the nodes say that answer. */
  async ownerOf(key: string): Promise<RedisServer> {
    const slot = await this.slotOf(key);
    const votes = new Map<RedisServer, number>();
    const asked = this.#answering.map(async (node) => {
      const slots = (await this.admin(node).call("CLUSTER", "SLOTS")) as Slots;
      const range = slots.find(([from, to]) => from <= slot && slot <= to);
      const owner = this.nodes.find(({ port }) => port === range?.[2][1]);
      if (owner) votes.set(owner, (votes.get(owner) ?? 0) + 1);
    });
    await Promise.allSettled(asked);
    const [most] = [...votes].toSorted(([, a], [, b]) => b - a);
    if (!most) throw new Error(`nobody owns the slot of ${key}`);
    return most[0];
  }

  async slotOf(key: string): Promise<number> {
    return Number(await Promise.any(this.#answering.map((node) => this.admin(node).call("CLUSTER", "KEYSLOT", key))));
  }

  /** A master that is not that one. */
  async otherMaster(owner: RedisServer): Promise<RedisServer> {
    for (const node of this.#answering) {
      if (node === owner) continue;
      if ((await this.admin(node).info("replication")).includes("role:master")) return node;
    }
    throw new Error("there is no other master");
  }

  /** Moves the slot of a key as an operator does, key by key. Whatever comes in between, it is moved in the end. */
  async moveSlot(key: string, options: MoveOptions = {}): Promise<void> {
    const { half, each, isFirst = (name) => name.endsWith("}n") } = options;
    const [slot, from] = [await this.slotOf(key), await this.ownerOf(key)];
    const to = await this.otherMaster(from);
    const [fromId, toId] = [await this.#idOf(from), await this.#idOf(to)];
    await this.admin(to).call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await this.admin(from).call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    const left = async (): Promise<string[]> =>
      (await this.admin(from).call("CLUSTER", "GETKEYSINSLOT", slot, 100_000)) as string[];
    const move = (name: string): Promise<unknown> =>
      this.admin(from).call("MIGRATE", "127.0.0.1", to.port, "", 0, 3_000, "REPLACE", "KEYS", name);
    const finish = async (): Promise<boolean> => {
      for (let names = await left(); names.length > 0; names = await left()) await Promise.all(names.map(move));
      for (const node of [to, from]) await this.admin(node).call("CLUSTER", "SETSLOT", slot, "NODE", toId);
      return true;
    };
    try {
      const names = (await left()).toSorted((a, b) => Number(isFirst(b)) - Number(isFirst(a)));
      for (const [i, name] of names.entries()) {
        if (i === Math.ceil(names.length / 2)) await half?.();
        await move(name);
        await each?.(names.length);
      }
    } finally {
      await waitUntil(finish, true, { deadlineMs, what: "the slot has moved" });
    }
  }

  /** Asks a replica of that master to take over, as an operator does. */
  async order(owner: RedisServer): Promise<void> {
    const id = await this.#idOf(owner);
    for (const node of this.#answering) {
      const myself = String(await this.admin(node).call("CLUSTER", "NODES"))
        .split("\n")
        .find((line) => /myself/.test(line));
      if (myself?.includes(`slave ${id}`)) return void (await this.admin(node).call("CLUSTER", "FAILOVER"));
    }
    throw new Error("that master has no replica");
  }

  /** Until somebody else owns the key's slot, as most nodes say. */
  async untilReplaced(key: string, owner: RedisServer): Promise<void> {
    const isReplaced = async (): Promise<boolean> => (await this.ownerOf(key)) !== owner;
    await waitUntil(isReplaced, true, { deadlineMs, what: `another owner of ${key}` });
  }

  /** Until every node is up, all agree on who owns what, and each master has a replica that follows it. */
  async untilWhole(): Promise<void> {
    const read = async (): Promise<boolean> => {
      const views = await Promise.all(this.nodes.map((node) => this.#viewOf(node)));
      return views.every(({ isWell, slots }) => isWell && slots === views[0]!.slots);
    };
    await waitUntil(read, true, { deadlineMs, what: "the cluster is whole" });
  }

  /** A client of the node that owns the key. */
  async client(key: string): Promise<Redis> {
    return this.admin(await this.ownerOf(key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }

  async #viewOf(node: RedisServer): Promise<{ isWell: boolean; slots: string }> {
    const client = this.admin(node);
    const [state, replication, slots] = await Promise.all([
      client.call("CLUSTER", "INFO"),
      client.info("replication"),
      client.call("CLUSTER", "SLOTS"),
    ]);
    const followed = /^role:master[^]*^slave0:.*state=online/m.test(replication);
    const follows = replication.includes("role:slave") && replication.includes("master_link_status:up");
    const ranges = (slots as Slots).map((range) => JSON.stringify(range)).toSorted();
    return { isWell: String(state).includes("cluster_state:ok") && (followed || follows), slots: ranges.join() };
  }

  get #answering(): RedisServer[] {
    return this.nodes.filter((node) => node.pid !== undefined && !this.#frozen.has(node));
  }

  async #idOf(node: RedisServer): Promise<string> {
    return String(await this.admin(node).call("CLUSTER", "MYID"));
  }
}
