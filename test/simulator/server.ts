// The simulated store as a server: connections, and all that can happen to a server. What it holds is SimRedis.

import type { ScriptName } from "../../src/databases/redis/connection.js";
import type { Change, Look } from "./look.js";
import type { Oracle } from "./oracle.js";
import { PREFIX } from "./prefix.js";
import type { Path, SimConnection } from "./network.js";
import { SimRedis, type DataAfterRestart } from "./store/sim-redis.js";
import type { World } from "./world.js";

const LEASE = `${PREFIX}l:`;

export class SimServer {
  readonly redis: SimRedis;
  readonly #world: World;
  readonly #oracle: Oracle;
  readonly #accepted = new Set<SimConnection>();
  #backlog: { from: SimConnection; execute: () => unknown }[] = [];
  #isStalled = false;
  #isDown = false;
  /** The store's clock is ahead of real time by that much. */
  clockOffsetMs = 0;
  /** How likely a command is executed twice in a row: what a client library or a proxy that sends again does. */
  duplicates = 0;
  #runs = 0;
  /** What the script that runs has published. */
  #told: string[] = [];

  constructor(world: World, oracle: Oracle) {
    this.#world = world;
    this.#oracle = oracle;
    this.redis = new SimRedis({
      nowUs: () => this.#nowUs(),
      runId: this.#freshRunId(),
      deliver: (id, channel, message) => this.#deliver(id, channel, message),
    });
  }

  #nowUs(): number {
    return Math.floor((1_700_000_000_000 + this.#world.nowMs + this.clockOffsetMs) * 1_000);
  }

  /** A namespace that has long been in use: no window is open. */
  openNamespace(recoveryMs: number): void {
    const { runId } = this.redis;
    const record = { v: "1", run: runId, era: "era0", state: "open", fence: "0", recovery: String(recoveryMs) };
    this.redis.plant(`${PREFIX}n`, { ...record, eraNumber: "1", opened: "1" });
  }

  accept(from: SimConnection): void {
    if (from.isClosed) return;
    if (this.#isDown || from.path.isRefused) return from.down.send(() => from.onReset("connect ECONNREFUSED"));
    this.#accepted.add(from); // the kernel accepts for a server that stands still
    from.down.send(() => from.onAccepted());
  }

  receive(from: SimConnection, execute: () => unknown): void {
    if (!this.#accepted.has(from)) return;
    if (this.#isStalled) this.#backlog.push({ from, execute });
    else this.#execute(from, execute);
  }

  eval(name: ScriptName, keys: readonly string[], args: readonly string[]): unknown {
    const touched = [...new Set(keys.filter((key) => key.startsWith(LEASE)).map((key) => key.slice(LEASE.length)))];
    const before = touched.map((key) => this.#records(key));
    this.#told = [];
    const reply = this.redis.eval(name, keys, args);
    const changes = touched.map((key, i) => ({ key, before: before[i]!, after: this.#records(key) }));
    this.#oracle.onScript(name, keys, args, reply, this.#look(changes));
    return reply;
  }

  /** The keys as they are now, for who looks from outside. */
  look(keys: readonly string[]): Look {
    this.#told = [];
    return this.#look(keys.map((key) => ({ key, before: this.#records(key), after: this.#records(key) })));
  }

  #look(changes: readonly Change[]): Look {
    const record = this.redis.peek(`${PREFIX}n`);
    const field = (name: string) =>
      (record instanceof Map ? (record as Map<string, string>).get(name) : undefined) ?? "";
    return {
      ...{ changes, told: this.#told, nowMs: Math.floor(this.#nowUs() / 1_000), era: field("era") },
      ...{
        isRecovering: field("state") !== "open" || field("run") !== this.redis.runId,
        fence: Number(field("fence")),
      },
      listeners: (channel) => this.redis.listeners(channel),
    };
  }

  #records(key: string): Change["after"] {
    return { lease: this.redis.peek(`${LEASE}${key}`), queue: this.redis.peek(`${PREFIX}q:${key}`) };
  }

  subscribe(from: SimConnection, channel: string): void {
    this.redis.subscribe(channel, from.id);
  }

  #deliver(id: string, channel: string, message: string): void {
    this.#told.push(`${channel} ${message}`);
    for (const from of this.#accepted) if (from.id === id) from.down.send(() => from.onMessage(channel, message));
  }

  /** Whether anything that was sent on that path may still arrive. */
  hasConnectionOf(path: Path): boolean {
    return [...this.#accepted].some((from) => from.path === path);
  }

  /** The client's end is gone. */
  drop(from: SimConnection): void {
    if (this.#isStalled) this.#backlog.push({ from, execute: () => this.#forget(from) });
    else this.#forget(from);
  }

  /** Both ends are told that the connection is gone; what is under way is lost. */
  reset(from: SimConnection, cause = "read ECONNRESET"): void {
    this.#forget(from);
    from.down.send(() => from.onReset(cause));
  }

  resetAll(): void {
    for (const from of [...this.#accepted]) this.reset(from);
  }

  stall(): void {
    this.#isStalled = true;
  }
  resume(): void {
    this.#isStalled = false;
    for (const { from, execute } of this.#backlog.splice(0)) if (this.#accepted.has(from)) this.#execute(from, execute);
  }

  goDown(): void {
    this.#isDown = true;
    this.#isStalled = false;
    this.#backlog = [];
    this.resetAll();
  }
  /** Starts again with what it had, with nothing, or with what it had then. */
  comeUp(data: DataAfterRestart): void {
    this.redis.restart(this.#freshRunId(), data);
    this.#isDown = false;
  }

  #execute(from: SimConnection, execute: () => unknown): void {
    let reply = attempt(execute);
    if (this.#world.chance(this.duplicates)) reply = attempt(execute);
    if (!this.#accepted.has(from)) return; // it was the end of the connection
    if (from.path.lostReplies > 0) {
      from.path.lostReplies -= 1;
      return this.reset(from);
    }
    from.down.send(() => from.onReply(reply));
  }

  #forget(from: SimConnection): void {
    this.#accepted.delete(from);
    this.redis.unsubscribeAll(from.id);
  }

  #freshRunId(): string {
    return (++this.#runs).toString(16).padStart(40, "a");
  }
}

function attempt(execute: () => unknown): { value: unknown } | { error: Error } {
  try {
    return { value: execute() };
  } catch (error) {
    return { error: error as Error };
  }
}
