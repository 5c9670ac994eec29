import type { ConnectionOptions } from "node:tls";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { OptionError } from "../../errors.js";
import { checkNames, isPlainObject } from "../../options.js";
import type { NatMap, NodeAddress } from "./cluster-nodes.js";
import { parseRedisUrl } from "./redis-url.js";

/** Nodes of a Redis Cluster, as one would give them to ioredis: any of them, the others are found. */
export type RedisClusterSource = {
  nodes: readonly (NodeAddress | string)[];
  /** For each of our connections. */
  redisOptions?: RedisOptions;
  keyPrefix?: string;
  /** Where a node is to be reached, by "host:port" as the cluster's nodes name it. */
  natMap?: NatMap;
};

/** A client, or what makes one. Of a client only the options are taken: pulselock opens connections of its own. */
export type RedisSource = Redis | Cluster | RedisOptions | RedisClusterSource | string | (() => Redis | Cluster);

/** A source, read. `options.sentinels`: the master that they name; `nodes`: a cluster's; else one server. */
export type ReadSource = {
  options: RedisOptions;
  nodes?: readonly NodeAddress[] | undefined;
  natMap?: NatMap | undefined;
  /** A client that was given whole. */
  client?: Redis | Cluster | undefined;
};

const CLUSTER_OPTIONS = new Set(["nodes", "redisOptions", "keyPrefix", "natMap"]);
const RULE = "must be an ioredis client, its options, a URL, a function, or the { nodes } of a cluster";

export function readSource(source: RedisSource): ReadSource {
  if (typeof source === "string") return readUrl(source);
  if (typeof source === "function") {
    const client = source();
    client.on("error", () => {}); // it is let go at once
    client.disconnect();
    return readClient(client);
  }
  if (typeof source !== "object" || source === null) throw new OptionError("database", source, RULE);
  if (isClient(source)) return { ...readClient(source), client: source };
  if ("nodes" in source) {
    checkNames(source, CLUSTER_OPTIONS, "database.");
    const { nodes, redisOptions = {}, keyPrefix = redisOptions.keyPrefix, natMap } = source;
    const options = keyPrefix === undefined ? redisOptions : { ...redisOptions, keyPrefix };
    return { ...readNodes(nodes, options), natMap };
  }
  const { sentinels, name } = source as RedisOptions;
  if (sentinels && (sentinels.length === 0 || !name)) {
    throw new OptionError("name", name, "must name the master, and sentinels list at least one");
  }
  return { options: source as RedisOptions };
}

/** With these as well wherever TLS is spoken: to the server, to the sentinels, to each node. */
export function withTls(read: ReadSource, given: ConnectionOptions): ReadSource {
  const { tls, sentinelTLS } = read.options;
  if (!isPlainObject(given)) throw new OptionError("tls", given, "must be a plain object of options of node:tls");
  if (!tls) throw new OptionError("tls", given, "needs a database that speaks TLS: rediss://, or options with tls");
  const secure = { tls: { ...tls, ...given }, ...(sentinelTLS && { sentinelTLS: { ...sentinelTLS, ...given } }) };
  return { ...read, options: { ...read.options, ...secure } };
}

/** By shape, not by class: the application may bring another copy of ioredis. */
export function isClient(source: unknown): source is Redis | Cluster {
  const client = source as Partial<Redis>;
  const isObject = typeof source === "object" && source !== null;
  return isObject && typeof client.status === "string" && typeof client.options === "object";
}

function readClient(client: Redis | Cluster): ReadSource {
  if (!client.isCluster) return { options: client.options as RedisOptions };
  const { startupNodes, options } = client as unknown as {
    startupNodes: RedisClusterSource["nodes"];
    options: { redisOptions?: RedisOptions; keyPrefix?: string; natMap?: unknown };
  };
  const { redisOptions = {}, keyPrefix, natMap } = options;
  if (typeof natMap === "function") throw new OptionError("natMap", natMap, "must be an object");
  const own = keyPrefix ? { ...redisOptions, keyPrefix } : redisOptions;
  return { ...readNodes(startupNodes, own), natMap: natMap as NatMap | undefined };
}

function readNodes(nodes: RedisClusterSource["nodes"], options: RedisOptions): ReadSource {
  if (!Array.isArray(nodes) || nodes.length === 0) {
    throw new OptionError("nodes", nodes, "must list at least one node of the cluster");
  }
  const read = nodes.map((node): { address: NodeAddress; options: RedisOptions } => {
    if (typeof node === "number") return { address: { host: "127.0.0.1", port: node }, options: {} };
    if (typeof node === "string") {
      const { host = "127.0.0.1", port = 6379, username, password, tls } = parseRedisUrl(node);
      const credentials = Object.entries({ username, password, tls }).filter(([, value]) => value);
      return { address: { host, port }, options: Object.fromEntries(credentials) };
    }
    return { address: { host: node.host ?? "127.0.0.1", port: node.port ?? 6379 }, options: {} };
  });
  return { nodes: read.map(({ address }) => address), options: { ...read[0]!.options, ...options } };
}

function readUrl(url: string): ReadSource {
  const match = /^(redis|rediss)\+(sentinel|cluster):\/\/(?:([^@/]*)@)?([^/?]+)(\/[^?]*)?(\?.*)?$/.exec(url);
  if (!match) {
    if (!/^(rediss?|unix):\/\/|^\//.test(url)) {
      const rule = "must be a redis:// or rediss:// URL, +sentinel or +cluster where that is meant";
      throw new OptionError("database", url, rule);
    }
    if (!url.startsWith("/") && !URL.canParse(url)) throw new OptionError("database", url, "must be a valid URL");
    return { options: parseRedisUrl(url) };
  }
  const [, scheme, kind, credentials, hosts, path = "", query = ""] = match;
  const isSentinel = kind === "sentinel";
  // What all hosts have in common, as ioredis reads it from a plain URL
  const one = `${scheme}://${credentials ? `${credentials}@` : ""}x${query}`;
  const { db, username, password, tls, family } = parseRedisUrl(one);
  const common: RedisOptions = Object.fromEntries(
    Object.entries({ db, username, password, tls, family }).filter(([, value]) => value),
  );
  const nodes = hosts!.split(",").map((host) => hostAndPort(url, host, isSentinel ? 26_379 : 6379));
  if (!isSentinel) return { nodes, options: common };
  const name = decodeURIComponent(path.slice(1));
  if (!name) throw new OptionError("database", url, "must name the master: redis+sentinel://host:port,host:port/name");
  const secure = tls ? { enableTLSForSentinelMode: true, sentinelTLS: tls } : {};
  return { options: { ...common, ...secure, sentinels: nodes, name } };
}

function hostAndPort(url: string, text: string, defaultPort: number): NodeAddress {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text);
  if (!match) throw new OptionError("database", url, "must be a list of host:port, separated by commas");
  return { host: match[1]!.replace(/^\[|\]$/g, ""), port: Number(match[2] ?? defaultPort) };
}
