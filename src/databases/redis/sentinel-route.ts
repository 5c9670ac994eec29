import type { Redis, RedisOptions } from "ioredis";
import type { Clock, Timer } from "../../clock.js";
import { loadIoredis, type Ioredis } from "./load-ioredis.js";
import type { Route } from "./route.js";

type Sentinel = NonNullable<RedisOptions["sentinels"]>[number];

/** Before a sentinel that went away is asked again, ms; drawn between half of it and all of it. */
const AGAIN_MS = 1_000;

/** The master of that name, as the sentinels say. */
export class SentinelRoute implements Route {
  readonly isSharded = false;
  readonly #options: RedisOptions;
  readonly #watch: SentinelWatch;

  constructor(options: RedisOptions) {
    this.#options = options;
    this.#watch = new SentinelWatch(options);
  }

  /**
   * Each connection begins with another sentinel, and gives none of them the time of all: one that is frozen would
   * take the whole of it. Who has not told of the last switch may still name the old master, which may be frozen.
   */
  options(clock: Clock, timeoutMs: number, onNamed: (server: string) => void): RedisOptions {
    const { natMap, sentinels = [] } = this.#options;
    const first = Math.floor(clock.random() * sentinels.length);
    const turned = [...sentinels.slice(first), ...sentinels.slice(0, first)];
    const shareMs = Math.max(1, Math.floor(timeoutMs / (sentinels.length + 1)));
    return {
      sentinels: turned.toSorted((a, b) => Number(this.#watch.hasTold(b)) - Number(this.#watch.hasTold(a))),
      natMap: (server) => {
        onNamed(server);
        return (typeof natMap === "function" ? natMap(server) : natMap?.[server]) ?? null;
      },
      role: "master",
      sentinelRetryStrategy: () => null,
      sentinelCommandTimeout: shareMs,
      connectTimeout: shareMs,
      updateSentinels: false, // what it learns would be forgotten with the connection
      failoverDetector: false, // it opens a connection to each sentinel for each of ours
    };
  }

  /** It was made a replica. */
  isLeft(words: string): boolean {
    return words.startsWith("READONLY");
  }

  watch(clock: Clock, onSwitch: (server: string) => void): () => void {
    return this.#watch.add(clock, onSwitch);
  }

  /** The driver says of a sentinel that it cannot reach only that its connection is closed. */
  explain(failure: unknown): unknown {
    const why = this.#watch.failure;
    if (!why || !(failure instanceof Error) || !/all sentinels are unreachable/i.test(failure.message)) return failure;
    return new Error(`${failure.message} One said: ${why.message}`, { cause: why });
  }
}

/**
 * Hears from the sentinels when another master takes over. The old one may go on for seconds without knowing (frozen
 * and thawed, or cut off from them but not from us): until then it grants what the new one grants as well. One
 * connection to each sentinel for all connections of a thread, while there are any.
 */
class SentinelWatch {
  readonly #options: RedisOptions;
  readonly #listeners = new Set<(server: string) => void>();
  #links: SentinelLink[] = [];
  /** Who took over last, and the sentinels that have told so. */
  #server: string | undefined;
  #tellers = new Set<Sentinel>();

  constructor(options: RedisOptions) {
    this.#options = options;
  }

  hasTold(sentinel: Sentinel): boolean {
    return this.#tellers.has(sentinel);
  }

  /** Why one of those cannot be reached that cannot. */
  get failure(): Error | undefined {
    return this.#links.find(({ failure }) => failure)?.failure;
  }

  add(clock: Clock, onSwitch: (server: string) => void): () => void {
    const listener = (server: string) => onSwitch(server);
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      const sentinels = this.#options.sentinels!;
      this.#links = sentinels.map(
        (one) => new SentinelLink(one, this.#options, clock, (words) => this.#onSwitch(words, one)),
      );
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      for (const link of this.#links.splice(0)) link.close();
    };
  }

  #onSwitch(words: string, sentinel: Sentinel): void {
    const [name, , , host, port] = words.split(" ");
    if (name !== this.#options.name) return;
    const server = `${host}:${port}`;
    if (server !== this.#server) this.#tellers = new Set();
    this.#server = server;
    this.#tellers.add(sentinel);
    for (const listener of [...this.#listeners]) listener(server);
  }
}

/** One sentinel, listened to for as long as it is wanted, whether it is there or not. */
class SentinelLink {
  readonly #sentinel: Sentinel;
  readonly #options: RedisOptions;
  readonly #clock: Clock;
  readonly #onSwitch: (words: string) => void;
  #client: Redis | undefined;
  #again: Timer | undefined;
  #isClosed = false;
  /** Why the last connection failed; none once one was made. */
  failure: Error | undefined;

  constructor(sentinel: Sentinel, options: RedisOptions, clock: Clock, onSwitch: (words: string) => void) {
    this.#sentinel = sentinel;
    this.#options = options;
    this.#clock = clock;
    this.#onSwitch = onSwitch;
    this.#begin();
  }

  close(): void {
    this.#isClosed = true;
    this.#again?.cancel();
    this.#client?.disconnect();
  }

  #begin(): void {
    loadIoredis().then(
      (ioredis) => this.#isClosed || this.#open(ioredis),
      () => this.#onEnd(),
    );
  }

  #open(ioredis: Ioredis): void {
    const { sentinelUsername, sentinelPassword, sentinelTLS, family, connectTimeout = 2_000 } = this.#options;
    const { host = "127.0.0.1", port = 26_379 } = this.#sentinel;
    const client = new ioredis.Redis({
      ...{ host, port, connectTimeout, retryStrategy: null, enableReadyCheck: false, disableClientInfo: true },
      ...{ lazyConnect: true, maxRetriesPerRequest: 0, autoResubscribe: false, keepAlive: 1_000, disconnectTimeout: 1 },
      ...(family === undefined ? {} : { family }),
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(sentinelTLS === undefined ? {} : { tls: sentinelTLS }),
    });
    this.#client = client;
    client.on("error", (error) => (this.failure = error)); // its end is what counts
    client.once("ready", () => (this.failure = undefined));
    client.on("message", (_channel, words: string) => this.#onSwitch(words));
    client.once("end", () => this.#onEnd());
    // A sentinel that cannot be heard costs the others nothing: the demoted master's READONLY is told in any case.
    client.subscribe("+switch-master").catch(() => client.disconnect());
  }

  #onEnd(): void {
    if (this.#isClosed) return;
    this.#again = this.#clock.timer(AGAIN_MS * (0.5 + this.#clock.random() / 2), () => this.#begin());
  }
}
