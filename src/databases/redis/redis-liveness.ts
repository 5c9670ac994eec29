import type {
  BeginRequest,
  LivenessConnection,
  LivenessEvents,
  PingAnswer,
  PingRequest,
  StoreContext,
} from "../database.js";
import { StoreError } from "../../errors.js";
import type { OpenConnection, ScriptConnection } from "./connection.js";
import type { RedisKeys } from "./keys.js";
import { parsePing } from "./records.js";
import { toStoreError } from "./redis-errors.js";

/** How long a session's record outlives its last ping, ms. For garbage only: nothing is decided by it. */
const KEEP_SESSION_MS = 3_600_000;

/** One connection of the worker thread: pings, and the session's channel (RESP3 does both on one socket). */
export class RedisLiveness implements LivenessConnection {
  readonly ready: Promise<void>;
  readonly #connection: ScriptConnection;
  readonly #keys: RedisKeys;
  readonly #context: StoreContext;
  #listens = false;
  /** The channel of the session before. */
  #channel: string | undefined;

  constructor(
    open: OpenConnection,
    keys: RedisKeys,
    allowEviction: boolean,
    context: StoreContext,
    events: LivenessEvents,
    agree?: (context: StoreContext) => Promise<void>,
  ) {
    this.#keys = keys;
    this.#context = context;
    this.#connection = open(context.clock, {
      onMessage: () => events.onPush(),
      onClose: (cause) => events.onClose(cause),
    });
    this.ready = this.#connection.ready.then(() => this.#examineServer(allowEviction)).then(() => agree?.(context));
    this.ready.catch((cause) => this.#connection.close(toStoreError(cause))); // the owner hears why
  }

  async listen(sessionId: string): Promise<boolean> {
    const channel = this.#keys.channel(sessionId);
    try {
      await this.#connection.subscribe(channel);
      this.#listens = true;
      if (this.#channel !== undefined && this.#channel !== channel) this.#leave(this.#channel);
      this.#channel = channel;
    } catch (cause) {
      if (toStoreError(cause).code !== "denied") throw cause;
      this.#listens = false;
    }
    return this.#listens;
  }

  /**
   * Nobody waits for the answer: what follows does not depend on it. A failure of the connection is told by its end,
   * and without the right to it the subscription stays, to no harm, until the connection closes.
   */
  #leave(channel: string): void {
    this.#connection.unsubscribe(channel).catch(() => {});
  }

  async begin(r: BeginRequest): Promise<PingAnswer> {
    const fields = {
      ttl: r.sessionTtlMs,
      grace: r.disconnectGraceMs,
      interval: r.pingIntervalMs,
      drift: r.driftMs,
      channel: this.#listens ? 1 : 0,
      host: r.host,
      pid: r.pid,
      labels: JSON.stringify(r.labels),
      ...r.proofs,
    };
    const keys = [this.#keys.namespace, this.#keys.session(r.sessionId)];
    const args = [
      this.#context.clock.freshId(10),
      r.recoveryMs,
      r.mode,
      r.era,
      this.#monoMs(),
      KEEP_SESSION_MS,
      this.#context.fence ?? 0,
      ...toldOf(r.lived),
      ...Object.entries(fields).flat(),
    ];
    return parsePing(await this.#told(this.#connection.run("begin", keys, args)));
  }

  async ping(r: PingRequest): Promise<PingAnswer> {
    const keys = [this.#keys.namespace, this.#keys.session(r.sessionId)];
    const args = [
      this.#context.clock.freshId(10),
      r.recoveryMs,
      r.era,
      this.#monoMs(),
      r.clockStepped ? 1 : 0,
      KEEP_SESSION_MS,
    ];
    return parsePing(await this.#told(this.#connection.run("ping", keys, args)));
  }

  /**
   * A cluster moves this session's slot to another node: until that is done, nothing here can be asked for, whichever
   * of them is asked. That counts as a break from now on, not from when the slot has arrived: a session that was served
   * until it broke may enter the new era again, however long the way takes.
   */
  #told(answer: Promise<unknown>): Promise<unknown> {
    return answer.catch((error: StoreError) => {
      const words = error.cause instanceof Error ? error.cause.message : "";
      if (/^(TRYAGAIN|ASK)\b/.test(words)) this.#connection.close(error);
      throw error;
    });
  }

  async goodbye(sessionId: string): Promise<void> {
    await this.#connection.run("goodbye", [this.#keys.session(sessionId)], []);
  }

  close(): void {
    this.#connection.close();
  }

  /** What would break the promise on a bad day is said on the first one. */
  async #examineServer(allowEviction: boolean): Promise<void> {
    const version = /redis_version:(\d+)\.(\d+)/.exec(await this.#connection.info("server"));
    if (version && Number(version[1]) * 100 + Number(version[2]) < 602) {
      throw new StoreError("unsupported", `Redis ${version[1]}.${version[2]} is too old: 6.2 or newer is needed`);
    }
    if (allowEviction) return;
    const policy = /maxmemory_policy:(\S+)/.exec(await this.#connection.info("memory"))?.[1];
    if (policy !== undefined && policy !== "noeviction") {
      throw new StoreError(
        "eviction-policy",
        `Redis may drop our records when memory runs short (maxmemory-policy ${policy}): set noeviction, use an ` +
          "instance of its own, or accept double runs with { allowEviction: true }",
      );
    }
  }

  #monoMs(): number {
    return Math.floor(this.#context.clock.monoMs());
  }
}

/** What was before, in the words of begin.lua. */
function toldOf(lived: BeginRequest["lived"]): (string | number)[] {
  if (!lived) return ["", "", "", ""];
  return [lived.eraNumber, lived.servedMs, Math.floor(lived.trustMs), Number(lived.isSilent)];
}
