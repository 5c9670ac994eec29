import type { Redis, RedisOptions } from "ioredis";
import type { Clock } from "../../clock.js";
import { loadIoredis } from "./load-ioredis.js";

export type NodeAddress = { host: string; port: number };
export const nameOf = ({ host, port }: NodeAddress): string => `${host}:${port}`;

/** By "host:port" as the nodes name each other. */
export type NatMap = Record<string, NodeAddress>;

type SlotRange = { from: number; to: number; master: NodeAddress };
type SlotsReply = readonly (readonly [from: number, to: number, ...nodes: (readonly [host: string, port: number])[]])[];

/** No node may take the time that others would need to answer, ms. */
const NODE_MS_MAX = 500;

/**
 * Which node owns a slot. Asked for anew before each connection that is opened: those are opened rarely, and mostly
 * because something has just changed. Whoever asks meanwhile shares the answer.
 */
export class ClusterNodes {
  readonly #seeds: readonly NodeAddress[];
  readonly #options: RedisOptions;
  readonly #natMap: NatMap;
  /** Those that the last answer named, so that the seeds may all be gone one day. */
  #known: readonly NodeAddress[] = [];
  /** Those that did not answer of late: others are asked first. */
  readonly #silent = new Set<string>();
  #asking: Promise<readonly SlotRange[]> | undefined;

  constructor(seeds: readonly NodeAddress[], options: RedisOptions, natMap: NatMap = {}) {
    this.#seeds = seeds;
    this.#options = options;
    this.#natMap = natMap;
  }

  async masterOf(slot: number, clock: Clock, timeoutMs: number): Promise<NodeAddress> {
    this.#asking ??= this.#ask(clock, timeoutMs).finally(() => (this.#asking = undefined));
    const range = (await this.#asking).find(({ from, to }) => from <= slot && slot <= to);
    if (!range) throw new Error(`no node of the cluster owns slot ${slot}`);
    return range.master;
  }

  /** This one does not answer. */
  doubt(node: string): void {
    this.#silent.add(node);
  }

  /** One after the other, from another one each time, until one answers. */
  async #ask(clock: Clock, timeoutMs: number): Promise<readonly SlotRange[]> {
    const nodes = this.#candidates(clock);
    const shareMs = Math.max(1, Math.min(NODE_MS_MAX, Math.floor(timeoutMs / 4)));
    let failure: unknown;
    for (const node of nodes) {
      try {
        const slots = await this.#askNode(node, shareMs);
        this.#known = slots.nodes;
        this.#silent.delete(nameOf(node));
        return slots.ranges;
      } catch (error) {
        this.#silent.add(nameOf(node));
        failure = error;
      }
    }
    throw failure;
  }

  #candidates(clock: Clock): readonly NodeAddress[] {
    const byName = new Map([...this.#known, ...this.#seeds].map((node) => [nameOf(node), node]));
    return [...byName]
      .map(([name, node]) => ({ node, draw: clock.random() + Number(this.#silent.has(name)) }))
      .toSorted((a, b) => a.draw - b.draw)
      .map(({ node }) => node);
  }

  /** One question to the master of a slot, on a connection for that alone. */
  async askMaster<T>(slot: number, clock: Clock, timeoutMs: number, ask: (client: Redis) => Promise<T>): Promise<T> {
    const master = await this.masterOf(slot, clock, timeoutMs);
    return this.#withClient(master, Math.max(1, Math.floor(timeoutMs / 2)), ask);
  }

  async #withClient<T>({ host, port }: NodeAddress, ms: number, ask: (client: Redis) => Promise<T>): Promise<T> {
    const ioredis = await loadIoredis();
    const client = new ioredis.Redis({
      ...{
        ...this.#options,
        host,
        port,
        keyPrefix: "",
        lazyConnect: true,
        retryStrategy: null,
        maxRetriesPerRequest: 0,
      },
      ...{ enableReadyCheck: false, disableClientInfo: true, connectTimeout: ms, commandTimeout: ms },
      ...{ disconnectTimeout: 1, enableOfflineQueue: true, replyMapping: "legacy" as const },
    });
    let failure: unknown;
    client.on("error", (error) => (failure = error));
    try {
      return await ask(client as Redis);
    } catch (cause) {
      throw failure ?? cause; // of a connection that failed the command says only that it is closed
    } finally {
      client.disconnect();
      client.stream?.destroy();
    }
  }

  async #askNode(node: NodeAddress, shareMs: number) {
    const reply = await this.#withClient(node, shareMs, (client) => client.cluster("SLOTS"));
    const slots = reply as unknown as SlotsReply;
    const toNode = ([given, at]: readonly [string, number]): NodeAddress => {
      const named = { host: given || node.host, port: Number(at) }; // one without a name is the one that was asked
      return this.#natMap[`${named.host}:${named.port}`] ?? named;
    };
    const ranges = slots.map(([from, to, master]) => ({ from, to, master: toNode(master!) }));
    if (ranges.length === 0) throw new Error(`${node.host}:${node.port} knows of no slots`);
    return { ranges, nodes: slots.flatMap(([, , ...nodes]) => nodes.map(toNode)) };
  }
}

/** The slot of a key, by what stands in its first pair of braces, if anything does. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0; // CRC-16/XMODEM, as the cluster's specification has it
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16_384;
}
