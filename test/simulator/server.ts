// The simulated store as a server: connections, and all that can happen to a server. What it holds is SimRedis.

import type { ScriptName } from "../../src/databases/redis/connection.js";
import { PREFIX, type Oracle } from "./oracle.js";
import type { Path, SimConnection } from "./network.js";
import { SimRedis, type DataAfterRestart } from "./store/sim-redis.js";
import type { World } from "./world.js";

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

  constructor(world: World, oracle: Oracle) {
    this.#world = world;
    this.#oracle = oracle;
    this.redis = new SimRedis({
      nowUs: () => Math.floor((1_700_000_000_000 + world.nowMs + this.clockOffsetMs) * 1_000),
      runId: this.#freshRunId(),
      deliver: (id, channel, message) => this.#deliver(id, channel, message),
    });
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
    const leases = name === "acquire" ? keys.slice(2).map((key, i) => (i % 2 === 0 ? this.redis.get(key) : null)) : [];
    const reply = this.redis.eval(name, keys, args);
    this.#oracle.onScript(name, keys, args, reply, leases);
    return reply;
  }

  subscribe(from: SimConnection, channel: string): void {
    this.redis.subscribe(channel, from.id);
  }

  #deliver(id: string, channel: string, message: string): void {
    for (const from of this.#accepted) if (from.id === id) from.down.send(() => from.onMessage(channel, message));
  }

  /** Whether anything that was sent on that path may still arrive. */
  hasConnectionOf(path: Path): boolean {
    return [...this.#accepted].some((from) => from.path === path);
  }

  /** What a hash holds, for who looks from outside. */
  readHash(key: string): ReadonlyMap<string, string> | undefined {
    const value = this.redis.snapshot().entries.find((entry) => entry.key === key)?.value;
    return value instanceof Map ? value : undefined;
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
