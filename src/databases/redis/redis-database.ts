import type { ConnectionOptions } from "node:tls";
import type { RedisOptions } from "ioredis";
import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../database.js";
import { OptionError } from "../../errors.js";
import { checkCount, checkDuration, checkNames } from "../../options.js";
import { checkRecoveryMs, DEFAULT_RECOVERY_MS } from "../recovery-ms.js";
import { slotOf } from "./cluster-nodes.js";
import { ClusterRoute } from "./cluster-route.js";
import { RedisConnection } from "./connection.js";
import { RedisKeys } from "./keys.js";
import { dismissClient, parkFreshClient } from "./park.js";
import { RedisNamespace } from "./redis-namespace.js";
import { checkReplicas, type ReplicaSettings } from "./replicas.js";
import { directRoute, type Route } from "./route.js";
import { SentinelRoute } from "./sentinel-route.js";
import { Shards } from "./shards.js";
import { isClient, readSource, withTls, type ReadSource, type RedisSource } from "./source.js";

export type RedisDatabaseSettings = {
  /** Put before every key and channel, after the client's own `keyPrefix`. Default "pulselock:". */
  prefix?: string;
  /**
   * How long nothing is granted after the store lost its memory, ms. Default 2 500: longer than anybody with the
   * default limits may go on without asking (1 300) and two pings. Must be at least that for the slowest fleet that
   * shares the prefix.
   */
  recoveryMs?: number;
  /** A command without an answer for so long ends its connection, ms. Default 2 000. */
  commandTimeoutMs?: number;
  /** Work with a store that may evict our records, at the price of double runs when it does. Default false. */
  allowEviction?: boolean;
  /** Believe only what so many replicas have. Default: what the master says. */
  replicas?: ReplicaSettings;
  /**
   * Of a cluster: over how many slots the keys are spread, each with sessions of its own; 1 to 64. Default 4: more than
   * the usual three masters, and each that a process uses costs it two connections and a ping. The same for all lockers
   * that share the prefix.
   */
  shards?: number;
  /** Of node:tls: `ca`, `cert`, `key`, `servername` …, for a rediss:// URL as well as for options. No functions. */
  tls?: ConnectionOptions;
};

/** Redis ≥ 6.2 or Valkey: one server, or the master that sentinels name, or (≥ 7) a cluster. */
export class RedisDatabase implements Database {
  readonly recoveryMs: number;
  /** Of a cluster: a namespace each. */
  readonly shards?: readonly Database[];
  readonly #settings: RedisDatabaseSettings;
  readonly #first: Database;
  readonly #shards: Shards | undefined;
  readonly #source: RedisSource;
  #imported: ReadSource["client"];

  constructor(source: RedisSource, settings: RedisDatabaseSettings = {}) {
    this.#source = source;
    this.#settings = settings;
    const read = settings.tls ? withTls(readSource(source), settings.tls) : readSource(source);
    if (read.client) {
      this.#imported = read.client;
      parkFreshClient(read.client);
    }
    this.recoveryMs = settings.recoveryMs ?? DEFAULT_RECOVERY_MS;
    const { commandTimeoutMs = 2_000, prefix = "pulselock:", shards = SHARDS } = settings;
    checkSettings({ ...settings, prefix, recoveryMs: this.recoveryMs, commandTimeoutMs });
    if (!read.nodes && settings.shards) throw new OptionError("shards", shards, "is an option of clusters alone");
    const whole = `${read.options.keyPrefix ?? ""}${prefix}`;
    if (!read.nodes) {
      const route = read.options.sentinels ? new SentinelRoute(read.options) : directRoute;
      this.#first = this.#namespace(read.options, whole, commandTimeoutMs, route);
      return;
    }
    const spread = new Shards(read, whole, shards, commandTimeoutMs);
    this.#shards = spread;
    this.shards = Array.from({ length: shards }, (_, i) => {
      const route = new ClusterRoute(spread.nodes, slotOf(spread.prefixOf(i)));
      return this.#namespace(read.options, spread.prefixOf(i), commandTimeoutMs, route);
    });
    this.#first = this.shards[0]!;
  }

  /** Of a cluster: to which of the shards the key belongs. */
  shardOf(key: string): number {
    return this.#shards?.shardOf(key) ?? 0;
  }

  /** Of a cluster: those of its first shard, as if there were no other. */
  openLeases(context: StoreContext): LeaseStore {
    return this.#first.openLeases(context);
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    return this.#first.openLiveness(context, events);
  }

  describe(): DatabaseDescription {
    if (typeof this.#source === "string" && Object.keys(this.#settings).length === 0) {
      return { type: "url", url: this.#source };
    }
    const rule = "cannot be handed to the worker thread: export it from a module and give { moduleName, exportName }";
    if (typeof this.#source === "function" || isClient(this.#source)) throw new OptionError("database", "client", rule);
    const options = typeof this.#source === "string" ? { url: this.#source } : { ...this.#source };
    try {
      return structuredClone({ type: "redis", options, settings: { ...this.#settings } });
    } catch {
      throw new OptionError("database", "options with callbacks", rule);
    }
  }

  /** The same server under a longer prefix: a namespace of its own. */
  within(name: string): RedisDatabase {
    const prefix = `${this.#settings.prefix ?? "pulselock:"}${name}`;
    return new RedisDatabase(this.#source, { ...this.#settings, prefix });
  }

  disposeImported(): void {
    if (this.#imported) dismissClient(this.#imported);
    this.#imported = undefined;
  }

  #namespace(options: RedisOptions, prefix: string, commandTimeoutMs: number, route: Route): Database {
    const { replicas, allowEviction = false } = this.#settings;
    const agree = this.#shards && ((context: StoreContext) => this.#shards!.agree(context));
    return new RedisNamespace(this, {
      ...{
        allowEviction,
        keys: new RedisKeys(prefix),
        isAcknowledged: replicas !== undefined,
        ...(agree && { agree }),
      },
      open: (clock, events) => new RedisConnection(options, commandTimeoutMs, clock, events, { route, replicas }),
    });
  }
}

/** How many slots, unless told otherwise. */
const SHARDS = 4;
const SHARDS_MAX = 64;

const KNOWN_SETTINGS = new Set(
  ["prefix", "recoveryMs", "commandTimeoutMs", "allowEviction", "replicas", "shards", "tls"], //
);

function checkSettings(settings: RedisDatabaseSettings): void {
  checkNames(settings, KNOWN_SETTINGS);
  const { prefix, recoveryMs, commandTimeoutMs, allowEviction } = settings;
  checkRecoveryMs(recoveryMs!);
  checkDuration("commandTimeoutMs", commandTimeoutMs, 1);
  if (typeof prefix !== "string" || prefix === "")
    throw new OptionError("prefix", prefix, "must be a non-empty string");
  if (settings.shards !== undefined) checkCount("shards", settings.shards, 1, SHARDS_MAX);
  checkReplicas(settings.replicas, commandTimeoutMs!);
  if (!["boolean", "undefined"].includes(typeof allowEviction)) {
    throw new OptionError("allowEviction", allowEviction, "must be true or false");
  }
}
