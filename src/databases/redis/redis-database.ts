import { Redis, type RedisOptions } from "ioredis";
import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../database.js";
import { OptionError } from "../../errors.js";
import { checkDuration, checkNames } from "../../options.js";
import { checkRecoveryMs, DEFAULT_RECOVERY_MS } from "../recovery-ms.js";
import { RedisConnection, type OpenConnection } from "./connection.js";
import { dismissClient, parkFreshClient } from "./park.js";
import { RedisKeys } from "./keys.js";
import { RedisLeases } from "./redis-leases.js";
import { RedisLiveness } from "./redis-liveness.js";

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
};

/** A client, or what makes one. Of a client only the options are taken: pulselock opens connections of its own. */
export type RedisSource = Redis | RedisOptions | string | (() => Redis);

/** Redis ≥ 6.2 or Valkey, standalone. */
export class RedisDatabase implements Database {
  readonly recoveryMs: number;
  readonly #options: RedisOptions;
  readonly #settings: RedisDatabaseSettings;
  readonly #keys: RedisKeys;
  readonly #open: OpenConnection;
  readonly #source: RedisSource;
  #imported: Redis | undefined;

  constructor(source: RedisSource, settings: RedisDatabaseSettings = {}) {
    this.#source = source;
    this.#settings = settings;
    this.#options = this.#optionsOf(source);
    if (this.#options.sentinels) {
      throw new OptionError("sentinels", "given", "is not supported by RedisDatabase: name one standalone server");
    }
    this.recoveryMs = settings.recoveryMs ?? DEFAULT_RECOVERY_MS;
    const commandTimeoutMs = settings.commandTimeoutMs ?? 2_000;
    this.#open = (clock, events) => new RedisConnection(this.#options, commandTimeoutMs, clock, events);
    const prefix = settings.prefix ?? "pulselock:";
    checkSettings({ ...settings, prefix, recoveryMs: this.recoveryMs, commandTimeoutMs });
    this.#keys = new RedisKeys(`${this.#options.keyPrefix ?? ""}${prefix}`);
  }

  openLeases(context: StoreContext): LeaseStore {
    return new RedisLeases(this.#open, this.#keys, context);
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

  #optionsOf(source: RedisSource): RedisOptions {
    if (typeof source === "string") {
      if (!/^(rediss?|unix):\/\/|^\//.test(source)) {
        throw new OptionError("database", source, "must be a redis:// or rediss:// URL");
      }
      if (!source.startsWith("/") && !URL.canParse(source))
        throw new OptionError("database", source, "must be a valid URL");
      return new Redis(source, { lazyConnect: true }).options; // parses only: a lazy client opens nothing
    }
    if (typeof source === "function") {
      const client = source();
      client.on("error", () => {}); // it is let go at once
      client.disconnect();
      return client.options;
    }
    if (isClient(source)) {
      this.#imported = source;
      parkFreshClient(source);
      return source.options;
    }
    if (typeof source !== "object" || source === null) {
      throw new OptionError("database", source, "must be an ioredis client, its options, a URL or a function");
    }
    return source;
  }
}

const KNOWN_SETTINGS = new Set(["prefix", "recoveryMs", "commandTimeoutMs", "allowEviction"]);

function checkSettings(settings: RedisDatabaseSettings): void {
  checkNames(settings, KNOWN_SETTINGS);
  const { prefix, recoveryMs, commandTimeoutMs, allowEviction } = settings;
  checkRecoveryMs(recoveryMs!);
  checkDuration("commandTimeoutMs", commandTimeoutMs, 1);
  if (typeof prefix !== "string" || prefix === "")
    throw new OptionError("prefix", prefix, "must be a non-empty string");
  if (!["boolean", "undefined"].includes(typeof allowEviction)) {
    throw new OptionError("allowEviction", allowEviction, "must be true or false");
  }
}

/** By shape, not by class: the application may bring another copy of ioredis. */
function isClient(source: unknown): source is Redis {
  const client = source as Partial<Redis> & { isCluster?: boolean };
  if (typeof source !== "object" || source === null || typeof client.status !== "string") return false;
  if (client.isCluster) throw new OptionError("database", "Cluster", "is not supported by RedisDatabase yet");
  return typeof client.options === "object";
}
