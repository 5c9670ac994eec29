// The network between simulated processes and the simulated store: connections whose messages keep their order, and the
// path that all connections of one process share, with all that can be wrong with it.

import type { ConnectionEvents, ScriptConnection, ScriptName } from "../../src/databases/redis/connection.js";
import { AnswerWatch } from "../../src/databases/answer-watch.js";
import { toStoreError } from "../../src/databases/redis/redis-errors.js";
import type { StoreError } from "../../src/errors.js";
import type { SimServer } from "./server.js";
import type { SimThread } from "./thread.js";
import type { World } from "./world.js";

export type Direction = "up" | "down";

type Message = { of: SimConnection; send: () => void };

/** One process's way to the store. Faults are made here. */
export class Path {
  readonly #world: World;
  readonly #held: Record<Direction, Message[]> = { up: [], down: [] };
  readonly #isHeld: Record<Direction, boolean> = { up: false, down: false };
  #isArmed = false;
  readonly connections = new Set<SimConnection>();
  /** Added to each way, ms. */
  latencyMs = 0;
  /** Of packets; each lost one is sent again after a timeout that doubles, as TCP does it. */
  loss = 0;
  isRefused = false;
  /** How many of the next commands are executed and never answered, since the connection breaks. */
  lostReplies = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** How long the next message is under way, ms. */
  get delayMs(): number {
    const world = this.#world;
    let ms = this.latencyMs + (world.chance(0.01) ? world.between(0, 40) : world.between(0.05, 1.5));
    for (let rtoMs = 200; world.chance(this.loss); rtoMs *= 2) ms += rtoMs;
    return ms;
  }

  /** Holds what is sent from the next acquire on: one that arrives too late is the most dangerous of all. */
  holdFromAcquire(): void {
    this.#isArmed = true;
  }

  onAcquire(): void {
    if (this.#isArmed) this.hold(["up"]);
    this.#isArmed = false;
  }

  hold(directions: readonly Direction[]): void {
    for (const direction of directions) this.#isHeld[direction] = true;
  }

  /**
   * What was held goes on its way, in order. What a client that has closed had sent may still arrive, its farewell
   * included, or never: then the store goes on believing in that connection.
   */
  heal(losesDead: boolean): void {
    this.#isArmed = false;
    for (const direction of ["up", "down"] as const) {
      this.#isHeld[direction] = false;
      for (const { of, send } of this.#held[direction].splice(0)) if (!losesDead || !of.isClosed) send();
    }
  }

  send(direction: Direction, message: Message): void {
    if (this.#isHeld[direction]) this.#held[direction].push(message);
    else message.send();
  }
}

/** One direction of a connection: first in, first out. */
export class Wire {
  readonly #world: World;
  readonly #of: SimConnection;
  readonly #direction: Direction;
  #lastMs = 0;

  constructor(world: World, of: SimConnection, direction: Direction) {
    this.#world = world;
    this.#of = of;
    this.#direction = direction;
  }

  send(arrive: () => void): void {
    const { path } = this.#of;
    const send = () => {
      this.#lastMs = Math.max(this.#lastMs, this.#world.nowMs + path.delayMs);
      this.#world.at(this.#lastMs, arrive);
    };
    path.send(this.#direction, { of: this.#of, send });
  }
}

type Waiting = { resolve(reply: unknown): void; reject(error: Error): void };

/** A client's end: does what RedisConnection does, on a simulated wire. */
export class SimConnection implements ScriptConnection {
  readonly ready: Promise<void>;
  readonly id: string;
  readonly thread: SimThread;
  readonly path: Path;
  readonly up: Wire;
  readonly down: Wire;
  readonly #server: SimServer;
  readonly #events: ConnectionEvents;
  readonly #answers: AnswerWatch;
  readonly #waiting: Waiting[] = [];
  #connected!: Waiting;
  #lastError: StoreError | undefined;
  #closed = false;

  constructor(thread: SimThread, path: Path, server: SimServer, timeoutMs: number, events: ConnectionEvents) {
    this.id = thread.host.world.freshId(1);
    this.thread = thread;
    this.path = path;
    this.#server = server;
    this.#events = events;
    const { world } = thread.host;
    this.up = new Wire(world, this, "up");
    this.down = new Wire(world, this, "down");
    this.#answers = new AnswerWatch(thread, timeoutMs, (late) => this.#close(late));
    path.connections.add(this);
    thread.onDeath(() => this.#leave());
    const late = new Error(`no connection within ${timeoutMs} ms`);
    const timer = thread.timer(timeoutMs, () => thread.afterInput(() => this.#close(late)));
    this.ready = new Promise<unknown>((resolve, reject) => (this.#connected = { resolve, reject })).then(
      () => timer.cancel(),
      (cause: unknown) => {
        timer.cancel();
        throw cause;
      },
    );
    this.ready.catch(() => {}); // told by onClose as well
    this.up.send(() => server.accept(this));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const texts = args.map(String);
    if (name === "acquire") this.path.onAcquire();
    return this.#ask(() => this.#server.eval(name, keys, texts));
  }
  get(key: string): Promise<string | null> {
    return this.#ask(() => this.#server.redis.get(key)) as Promise<string | null>;
  }
  info(section: string): Promise<string> {
    return this.#ask(() => this.#server.redis.info(section)) as Promise<string>;
  }
  subscribe(channel: string): Promise<unknown> {
    return this.#ask(() => this.#server.subscribe(this, channel));
  }
  unsubscribe(channel: string): Promise<unknown> {
    return this.#ask(() => this.#server.redis.unsubscribe(channel, this.id));
  }
  close(cause?: StoreError): void {
    this.#close(cause ?? new Error("the connection was closed by its owner"));
  }

  /** From the network; each waits in the thread's input like bytes in a socket. */
  onAccepted(): void {
    this.thread.input(() => this.#closed || this.#connected.resolve(undefined));
  }
  onReply(reply: { value: unknown } | { error: Error }): void {
    this.thread.input(() => {
      const waiting = this.#waiting.shift();
      if ("error" in reply) waiting?.reject(reply.error);
      else waiting?.resolve(reply.value);
    });
  }
  onMessage(channel: string, message: string): void {
    this.thread.input(() => this.#closed || this.#events.onMessage?.(channel, message));
  }
  onReset(cause: string): void {
    this.thread.input(() => this.#close(new Error(cause)));
  }

  async #ask(execute: () => unknown): Promise<unknown> {
    if (this.#closed) throw this.#lastError;
    try {
      return await this.#answers.watch(() => {
        this.up.send(() => this.#server.receive(this, execute));
        return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
      });
    } catch (cause) {
      throw this.#closed ? this.#lastError : toStoreError(cause);
    }
  }

  #close(cause: unknown): void {
    if (this.#closed) return;
    this.#lastError = toStoreError(cause);
    this.#leave();
    this.#answers.stop();
    this.#events.onClose(this.#lastError);
    this.#connected.reject(this.#lastError);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lastError);
  }

  /** What was sent before still arrives, and then the store hears that this end is gone. */
  #leave(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.path.connections.delete(this);
    this.up.send(() => this.#server.drop(this));
  }
}
