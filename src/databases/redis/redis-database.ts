import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
  StorePush,
} from "../database.js";
import { OptionError } from "../../errors.js";
import { checkDuration, checkNames } from "../../options.js";
import { checkRecoveryMs, DEFAULT_RECOVERY_MS } from "../recovery-ms.js";
import { ClusterNodes, slotOf } from "./cluster-nodes.js";
import { ClusterRoute } from "./cluster-route.js";
import { RedisConnection, type OpenConnection } from "./connection.js";
import { RedisKeys } from "./keys.js";
import { dismissClient, parkFreshClient } from "./park.js";
import { RedisLeases } from "./redis-leases.js";
import { RedisLiveness } from "./redis-liveness.js";
import { checkReplicas, unbelieved, type ReplicaSettings } from "./replicas.js";
import { directRoute, type Route } from "./route.js";
import { SentinelRoute } from "./sentinel-route.js";
import { isClient, readSource, type ReadSource, type RedisSource } from "./source.js";

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
};

/** Redis ≥ 6.2 or Valkey: one server, or the master that sentinels name, or (≥ 7) a cluster. */
export class RedisDatabase implements Database {
  readonly recoveryMs: number;
  readonly #settings: RedisDatabaseSettings;
  readonly #keys: RedisKeys;
  readonly #open: OpenConnection;
  readonly #source: RedisSource;
  #imported: ReadSource["client"];

  constructor(source: RedisSource, settings: RedisDatabaseSettings = {}) {
    this.#source = source;
    this.#settings = settings;
    const read = readSource(source);
    if (read.client) {
      this.#imported = read.client;
      parkFreshClient(read.client);
    }
    this.recoveryMs = settings.recoveryMs ?? DEFAULT_RECOVERY_MS;
    const commandTimeoutMs = settings.commandTimeoutMs ?? 2_000;
    const prefix = settings.prefix ?? "pulselock:";
    checkSettings({ ...settings, prefix, recoveryMs: this.recoveryMs, commandTimeoutMs });
    const whole = `${read.options.keyPrefix ?? ""}${prefix}`;
    this.#keys = new RedisKeys(read.nodes ? `${whole}{0}` : whole);
    const reach = { route: routeOf(read, this.#keys), replicas: settings.replicas };
    this.#open = (clock, events) => new RedisConnection(read.options, commandTimeoutMs, clock, events, reach);
  }

  openLeases(context: StoreContext): LeaseStore {
    const { onPush } = context;
    const careful = onPush && this.#settings.replicas && { onPush: (push: StorePush) => onPush(unbelieved(push)) };
    return new RedisLeases(this.#open, this.#keys, { ...context, ...careful });
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    const allowEviction = this.#settings.allowEviction ?? false;
    return new RedisLiveness(this.#open, this.#keys, allowEviction, context, events);
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

  disposeImported(): void {
    if (this.#imported) dismissClient(this.#imported);
    this.#imported = undefined;
  }
}

function routeOf({ options, nodes, natMap }: ReadSource, keys: RedisKeys): Route {
  if (nodes) return new ClusterRoute(new ClusterNodes(nodes, options, natMap), slotOf(keys.namespace));
  return options.sentinels ? new SentinelRoute(options) : directRoute;
}

const KNOWN_SETTINGS = new Set(["prefix", "recoveryMs", "commandTimeoutMs", "allowEviction", "replicas"]);

function checkSettings(settings: RedisDatabaseSettings): void {
  checkNames(settings, KNOWN_SETTINGS);
  const { prefix, recoveryMs, commandTimeoutMs, allowEviction } = settings;
  checkRecoveryMs(recoveryMs!);
  checkDuration("commandTimeoutMs", commandTimeoutMs, 1);
  if (typeof prefix !== "string" || prefix === "")
    throw new OptionError("prefix", prefix, "must be a non-empty string");
  checkReplicas(settings.replicas, commandTimeoutMs!);
  if (!["boolean", "undefined"].includes(typeof allowEviction)) {
    throw new OptionError("allowEviction", allowEviction, "must be true or false");
  }
}
