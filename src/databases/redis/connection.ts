import type { Redis, RedisOptions } from "ioredis";
import type { Clock, Timer } from "../../clock.js";
import { StoreError } from "../../errors.js";
import { AnswerWatch } from "../answer-watch.js";
import { loadIoredis, type Ioredis } from "./load-ioredis.js";
import { nameDeniedCommand, toStoreError } from "./redis-errors.js";
import { Acknowledgement, type ReplicaSettings } from "./replicas.js";
import { directRoute, type Route } from "./route.js";
import { scripts } from "./scripts.generated.js";

export type ScriptName = keyof typeof scripts;
type Words = readonly (string | number)[];
type Runner = (numberOfKeys: number, keys: readonly string[], args: Words) => Promise<unknown>;

export type ConnectionEvents = { onMessage?(channel: string, message: string): void; onClose(cause: StoreError): void };

/** What the two doors need of a connection to Redis. Every rejection is a StoreError. */
export interface ScriptConnection {
  /** Resolves once commands can be sent; rejects when that can never be. */
  readonly ready: Promise<void>;
  run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  get(key: string): Promise<string | null>;
  info(section: string): Promise<string>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  close(cause?: StoreError): void;
}

export type OpenConnection = (clock: Clock, events: ConnectionEvents) => ScriptConnection;

type Definitions = Record<string, { lua: string }>;
const plain = define((lua) => lua);
/** The same scripts, with the channels that belong to a slot as their keys do. */
const sharded = define((lua) => lua.replaceAll('"PUBLISH"', '"SPUBLISH"').replaceAll('"NUMSUB"', '"SHARDNUMSUB"'));

function define(flavour: (lua: string) => string): Definitions {
  return Object.fromEntries(Object.entries(scripts).map(([name, lua]) => [`pulselock:${name}`, { lua: flavour(lua) }]));
}

export type Reach = { route?: Route; replicas?: ReplicaSettings | undefined };

/**
 * One connection, used until it breaks and never mended: whoever owns it opens the next. So nothing is ever resent
 * behind our back (ioredis would: an acquire ran twice and its caller was told "no"), and a broken connection is one
 * plain event.
 */
export class RedisConnection implements ScriptConnection {
  readonly ready: Promise<void>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #events: ConnectionEvents;
  readonly #answers: AnswerWatch;
  readonly #route: Route;
  readonly #definitions: Definitions;
  readonly #acknowledgement: Acknowledgement | undefined;
  readonly #stopWatching: () => void;
  #redis: Redis | undefined;
  /** The one that it was led to, as its route names it. */
  #server: string | undefined;
  #lastError: unknown;
  #closed = false;

  constructor(options: RedisOptions, timeoutMs: number, clock: Clock, events: ConnectionEvents, reach: Reach = {}) {
    const { route = directRoute, replicas } = reach;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#events = events;
    this.#route = route;
    const onSlow = route.lookUp && (() => void this.#lookUp());
    this.#answers = new AnswerWatch(clock, timeoutMs, (late) => this.#close(late), onSlow);
    this.#definitions = route.isSharded ? sharded : plain;
    const wait = (count: number, ms: number) => this.#watched((redis) => redis.wait(count, ms));
    this.#acknowledgement = replicas && new Acknowledgement(replicas, wait);
    this.#stopWatching = route.watch(clock, (server) => this.#onSwitch(server));
    this.ready = this.#connect(options);
    this.ready.catch(() => {}); // told by onClose as well; nobody need await it
  }

  #open(options: RedisOptions, ioredis: Ioredis): Redis {
    const redis = new ioredis.Redis(this.#safe(options, ioredis) as RedisOptions & { replyMapping?: "legacy" });
    redis.on("error", (error: unknown) => (this.#lastError = this.#route.explain(error)));
    redis.on("end", () => this.#close(this.#lastError ?? new Error("the connection was closed")));
    const onMessage = (...heard: [string, string]) => this.#events.onMessage?.(...heard);
    if (this.#events.onMessage) redis.on(this.#route.isSharded ? "smessage" : "message", onMessage);
    return redis as Redis;
  }

  #safe(options: RedisOptions, ioredis: Ioredis): Record<string, unknown> {
    return {
      ...options,
      keyPrefix: "", // keys.ts has put it in already, channels included
      lazyConnect: true,
      retryStrategy: null,
      reconnectOnError: null,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      enableReadyCheck: false, // "loading" is told by the first command
      autoResubscribe: false,
      disableClientInfo: true,
      commandTimeout: undefined, // ours (below) does not mistake a blocked event loop for a dead server
      connectTimeout: this.#timeoutMs,
      // The timer of that wait outlives a stream that has closed already, and keeps the process alive
      disconnectTimeout: 1,
      keepAlive: 1000,
      noDelay: true,
      stringNumbers: false,
      replyMapping: "legacy",
      protocol: 3, // subscribes and asks on one connection
      readOnly: false,
      monitor: false,
      scripts: this.#definitions,
      ...this.#route.options(this.#clock, this.#timeoutMs, (server) => (this.#server = server), ioredis),
    };
  }

  async run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const named = `pulselock:${name}`;
    const asked = this.#watched((redis) =>
      (redis as unknown as Record<string, Runner>)[named]!(keys.length, keys, args),
    );
    const reply = await asked.catch((cause: StoreError) => {
      throw nameDeniedCommand(cause, this.#definitions[named]!.lua);
    });
    await this.#acknowledgement?.of(name, reply);
    return reply;
  }

  get(key: string): Promise<string | null> {
    return this.#watched((redis) => redis.get(key));
  }

  info(section: string): Promise<string> {
    return this.#watched((redis) => redis.info(section));
  }

  subscribe(channel: string): Promise<unknown> {
    const { isSharded } = this.#route;
    return this.#watched((redis) => (isSharded ? redis.ssubscribe(channel) : redis.subscribe(channel)));
  }

  unsubscribe(channel: string): Promise<unknown> {
    const { isSharded } = this.#route;
    return this.#watched((redis) => (isSharded ? redis.sunsubscribe(channel) : redis.unsubscribe(channel)));
  }

  close(cause = new StoreError("unreachable", "Redis: the connection was closed by its owner")): void {
    this.#close(cause);
  }

  async #connect(options: RedisOptions): Promise<void> {
    let timer: Timer | undefined;
    try {
      const ioredis = await loadIoredis();
      if (this.#closed) throw this.#lastError;
      timer = this.#clock.timer(this.#timeoutMs, () => this.#clock.afterInput(() => this.#close(this.#lateError())));
      const redis = this.#open(options, ioredis);
      this.#redis = redis;
      await this.#answers.watch(() => redis.connect());
      if (this.#closed) throw this.#lastError;
    } catch (cause) {
      this.#close(this.#lastError ?? cause);
      throw toStoreError(this.#lastError ?? cause);
    } finally {
      timer?.cancel();
    }
  }

  /** Each sentinel says it when it learns of it, some a second late: who is there already stays. */
  #onSwitch(server: string): void {
    if (server !== this.#server) this.#close(new Error(`another master has taken over: ${server}`));
  }

  /** Another one may have taken over, and nobody tells who only waits. */
  async #lookUp(): Promise<void> {
    const server = this.#server;
    if (server === undefined || this.#closed) return;
    // Where nobody says it, the time limit decides.
    const inCharge = await this.#route.lookUp!(this.#clock, this.#timeoutMs, server).catch(() => server);
    this.#onSwitch(inCharge);
  }

  /** A plain Redis says nothing to a TLS client: it waits for the end of what it takes for a line. */
  #lateError(): Error {
    const stream = this.#redis?.stream as { connecting?: boolean; secureConnecting?: boolean } | undefined;
    const isHandshake = stream?.secureConnecting && !stream.connecting;
    const hint = isHandshake ? ": no answer to the TLS handshake; does that port speak TLS?" : "";
    return new Error(`no connection within ${this.#timeoutMs} ms${hint}`);
  }

  async #watched<T>(send: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = this.#redis;
    if (this.#closed) throw toStoreError(this.#lastError ?? new Error("the connection is closed"));
    if (!redis) throw toStoreError(new Error("the connection is not open yet"));
    try {
      return await this.#answers.watch(() => send(redis));
    } catch (cause) {
      if (cause instanceof Error && this.#route.isLeft(cause.message)) {
        this.#close(new StoreError("unreachable", `Redis: this server is not in charge (${cause.message})`, cause));
      }
      throw toStoreError(this.#closed ? (this.#lastError ?? cause) : cause);
    }
  }

  #close(cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lastError = toStoreError(cause);
    this.#answers.stop();
    this.#stopWatching();
    this.#redis?.disconnect();
    this.#redis?.stream?.destroy(); // a half-open connection would linger for minutes in a graceful end
    this.#events.onClose(this.#lastError as StoreError);
  }
}
