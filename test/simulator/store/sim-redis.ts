// A Redis in this process, on a clock that is handed in: it runs the package's own scripts, so that thousands of
// schedules a minute can be tried on the very code that decides. What it answers is compared with a real server in
// sim-redis.differential.test.ts.

import { scripts as ownScripts } from "../../../src/databases/redis/scripts.generated.js";
import { toBytes, toText } from "./bytes.js";
import { commands, type ServerView } from "./commands.js";
import { Keyspace, type DumpedEntry, type Foreign } from "./keyspace.js";
import { runScript } from "./lua-runtime.js";
import { isError, ReplyError, type Reply } from "./replies.js";

export type ScriptName = keyof typeof ownScripts;
export type ScriptArgument = string | number;

export interface SimRedisOptions {
  /** The store's wall clock, in whole µs since 1970. It may step in either direction. */
  nowUs(): number;
  /** What INFO calls run_id: hexadecimal. */
  readonly runId: string;
  /** Called while a script runs, in the order of subscription; it must only note the message, not call the store. */
  deliver?(subscriberId: string, channel: string, message: string): void;
  /** Default: the package's scripts. Mutants and tests bring their own. */
  readonly scripts?: Readonly<Record<string, string>>;
}

/** All that a store remembers; what it holds at one instant. */
export interface Snapshot {
  readonly entries: readonly DumpedEntry[];
}

/** Before: what was there when it went down. Instants of expiry are kept: time passes for a store that is down. */
export type DataAfterRestart = "kept" | "empty" | Snapshot;

export class SimRedis {
  /** What redis.conf calls maxmemory is reached: commands that need memory are refused. */
  memoryFull = false;
  readonly #nowUs: () => number;
  readonly #deliver: (subscriberId: string, channel: string, message: string) => void;
  readonly #scripts: Readonly<Record<string, string>>;
  readonly #keyspace = new Keyspace();
  readonly #subscribers = new Map<string, Set<string>>();
  #runId: string;

  constructor({ nowUs, runId, deliver = () => {}, scripts = ownScripts }: SimRedisOptions) {
    this.#nowUs = nowUs;
    this.#runId = runId;
    this.#deliver = deliver;
    this.#scripts = scripts;
  }

  get runId(): string {
    return this.#runId;
  }

  /** Runs a script to its end. Throws a ReplyError with the server's words. */
  eval(name: ScriptName | (string & {}), keys: readonly string[], args: readonly ScriptArgument[]): unknown {
    const text = this.#scripts[name];
    if (text === undefined) throw new Error(`there is no script ${name}`);
    const server = this.#view();
    const memoryWasFull = this.memoryFull;
    let hasWritten = false;
    const reply = runScript(
      text,
      keys.map(toBytes),
      args.map((arg) => toBytes(String(arg))),
      (words) => {
        const command = commands.get(words[0]!.toUpperCase());
        if (!command) throw new Error(`not simulated: ${words[0]}`);
        const { arity } = command;
        if (arity > 0 ? words.length !== arity : words.length < -arity) {
          return { err: "ERR Wrong number of args calling Redis command from script" };
        }
        // Once a script has written, it cannot be stopped in the middle; a write that changes nothing counts, too.
        if (memoryWasFull && !hasWritten && command.needsMemory) {
          return { err: "OOM command not allowed when used memory > 'maxmemory'." };
        }
        hasWritten ||= command.isWrite === true;
        return command.execute(server, words);
      },
    );
    return toClient(reply);
  }

  get(key: string): string | null {
    const reply = commands.get("GET")!.execute(this.#view(), ["GET", toBytes(key)]);
    if (isError(reply)) throw new ReplyError(reply.err);
    return toClient(reply) as string | null;
  }

  /** What is there, for who looks from outside: a copy. */
  peek(key: string): string | ReadonlyMap<string, string> | undefined {
    const value = this.#view().keyspace.read(toBytes(key));
    if (value instanceof Map) return new Map([...value].map(([field, text]) => [toText(field), toText(text)]));
    return typeof value === "string" ? toText(value) : undefined;
  }

  /** How many listen there. */
  listeners(channel: string): number {
    return this.#subscribers.get(toBytes(channel))?.size ?? 0;
  }

  info(section: string): string {
    const all = {
      server: `# Server\r\nredis_version:7.0.15\r\nrun_id:${this.#runId}\r\n`,
      memory: "# Memory\r\nmaxmemory_policy:noeviction\r\n",
    };
    const wanted = section.toLowerCase();
    if (wanted !== "server" && wanted !== "memory") throw new Error(`not simulated: INFO ${section}`);
    return all[wanted];
  }

  subscribe(channel: string, subscriberId: string): void {
    const name = toBytes(channel);
    const subscribers = this.#subscribers.get(name);
    if (subscribers) subscribers.add(subscriberId);
    else this.#subscribers.set(name, new Set([subscriberId]));
  }

  unsubscribe(channel: string, subscriberId: string): void {
    const name = toBytes(channel);
    const subscribers = this.#subscribers.get(name);
    subscribers?.delete(subscriberId);
    if (subscribers?.size === 0) this.#subscribers.delete(name);
  }

  /** Its connection is gone. */
  unsubscribeAll(subscriberId: string): void {
    for (const [channel, subscribers] of this.#subscribers) {
      subscribers.delete(subscriberId);
      if (subscribers.size === 0) this.#subscribers.delete(channel);
    }
  }

  flushAll(): void {
    this.#keyspace.clear();
  }

  snapshot(): Snapshot {
    this.#keyspace.sweep(this.#nowMs());
    return { entries: this.#keyspace.dump() };
  }

  restore(snapshot: Snapshot): void {
    this.#keyspace.load(snapshot.entries);
  }

  /** Another process with another id: nobody is subscribed any more. Breaking the connections is the network's part. */
  restart(runId: string, data: DataAfterRestart): void {
    this.#runId = runId;
    this.#subscribers.clear();
    if (data === "empty") this.flushAll();
    else if (data !== "kept") this.restore(data);
  }

  /** Puts a value in place that no script wrote: a record of another format, a list where a lease should be. */
  plant(key: string, value: string | Readonly<Record<string, string>> | Foreign, ttlMs?: number): void {
    const expiresAtMs = ttlMs === undefined ? undefined : this.#nowMs() + ttlMs;
    this.#keyspace.write(toBytes(key), toValue(value), expiresAtMs);
  }

  remove(key: string): void {
    this.#keyspace.remove(toBytes(key));
  }

  #nowMs(): number {
    return Math.floor(this.#nowUs() / 1000);
  }

  #view(): ServerView {
    const nowUs = this.#nowUs();
    const nowMs = Math.floor(nowUs / 1000);
    this.#keyspace.sweep(nowMs);
    return {
      keyspace: this.#keyspace,
      nowUs,
      nowMs,
      info: (section) => this.info(section),
      publish: (channel, message) => this.#publish(channel, message),
      subscribers: (channel) => this.#subscribers.get(channel)?.size ?? 0,
    };
  }

  #publish(channel: string, message: string): number {
    const subscribers = this.#subscribers.get(channel) ?? [];
    let count = 0;
    for (const id of subscribers) {
      this.#deliver(id, toText(channel), toText(message));
      count += 1;
    }
    return count;
  }
}

function toValue(value: string | Readonly<Record<string, string>> | Foreign): string | Map<string, string> | Foreign {
  if (typeof value === "string") return toBytes(value);
  if (typeof value["foreign"] === "string") return value as Foreign;
  return new Map(Object.entries(value).map(([field, text]) => [toBytes(field), toBytes(text)]));
}

function toClient(reply: Reply): unknown {
  if (typeof reply === "string") return toText(reply);
  if (typeof reply !== "object" || reply === null) return reply;
  if ("err" in reply) return new ReplyError(toText(reply.err));
  if ("ok" in reply) return toText(reply.ok);
  return reply.map(toClient);
}
