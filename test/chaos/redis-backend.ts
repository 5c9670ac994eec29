// Redis standalone under faults, with a replica where the schedule promotes one.

import type { Redis } from "ioredis";
import type { RedisServer } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";
import type { Backend, DoorPorts, FaultTools, Store, StoreDeps, StoredHolder } from "./backend.js";
import type { SteppedClock } from "./clock-shim.js";
import type { Limits } from "./fleets.js";
import { faultKinds, specOf, type FaultKind } from "./kinds.js";
import type { DatabaseDescription } from "./member-protocol.js";
import { endScript, freeze, redisOrders, step } from "./redis-faults.js";
import { RedisNodes } from "./redis-nodes.js";
import { readHolders, readLeftovers } from "./redis-records.js";
import type { Fault, Schedule } from "./schedule.js";

const prefix = "pulselock:";
const failovers: readonly FaultKind[] = ["failover", "failover-lagging", "failover-revive"];

/** All there are, but for what is another backend's alone. */
export const redisKinds = faultKinds.filter((kind) => specOf(kind).on !== "process" && specOf(kind).of === undefined);

export const redisBackend: Backend = {
  name: "redis",
  kinds: redisKinds,
  notRun: (shim) =>
    new Map(
      shim
        ? []
        : [
            ["store-clock", "no clock shim"],
            ["store-clock-far", "no clock shim"],
          ],
    ),
  start: (schedule, deps) => RedisStore.start(schedule, deps),
};

export class RedisStore implements Store {
  readonly #nodes: RedisNodes;
  readonly #clock: SteppedClock | undefined;
  readonly #movedListeners: ((port: number) => void)[] = [];
  /** Restarts and promotions take turns: each leaves one primary behind. */
  #turn: Promise<unknown> = Promise.resolve();
  #client: { server: RedisServer; client: Redis } | undefined;

  private constructor(nodes: RedisNodes, clock: SteppedClock | undefined) {
    this.#nodes = nodes;
    this.#clock = clock;
  }

  static async start(schedule: Schedule, { directory, shim }: StoreDeps): Promise<RedisStore> {
    const clock = shim?.clock();
    const replica = schedule.faults.some(({ kind }) => failovers.includes(kind));
    return new RedisStore(await RedisNodes.start(directory, clock, replica), clock);
  }

  get port(): number {
    return this.#nodes.primary.port;
  }

  onMoved(listener: (port: number) => void): void {
    this.#movedListeners.push(listener);
  }

  describe({ port }: DoorPorts, { database }: Limits, host: string | undefined): DatabaseDescription {
    const url = `redis://127.0.0.1:${port}`;
    return { backend: "redis", url, settings: { ...database, prefix }, ...(host !== undefined && { host }) };
  }

  apply(fault: Fault, tools: FaultTools): Promise<void> {
    const order = redisOrders[fault.kind];
    if (order) return order(this.#admin(), fault, tools);
    if (fault.kind === "store-freeze") return freeze(this.#nodes.primary, fault, tools);
    if (fault.kind.startsWith("store-clock")) return step(this.#clock, fault, tools);
    const turn = this.#turn.then(() => this.#structural(fault, tools));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async heal(): Promise<void> {
    await this.#turn;
    this.#nodes.primary.thaw();
    if (this.#nodes.primary.pid === undefined) await this.#nodes.primary.start();
    const client = this.#admin();
    await endScript(client);
    await client.call("CLIENT", "UNPAUSE");
    await client.config("SET", "maxmemory", "0");
    await waitUntil(() => client.ping(), "PONG", { deadlineMs: 10_000, what: "the healed store's answer" });
  }

  /** `within`: the namespace that counts, where there are several. */
  holders(within = ""): Promise<StoredHolder[]> {
    return readHolders(this.#admin(), `${prefix}${within}`);
  }

  leftovers(within = ""): Promise<string[]> {
    return readLeftovers(this.#admin(), `${prefix}${within}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.client.disconnect();
    await this.#nodes[Symbol.asyncDispose]();
    this.#clock?.close();
  }

  async #structural(fault: Fault, tools: FaultTools): Promise<void> {
    const nodes = this.#nodes;
    const wait = (): Promise<void> => tools.wait(fault.durationMs);
    if (fault.kind !== "store-old") tools.begun();
    if (fault.kind === "store-crash" || fault.kind === "store-gone") return nodes.crash(wait);
    if (fault.kind === "store-empty") return nodes.crashEmpty(wait);
    if (fault.kind === "store-old") {
      await nodes.crashOld(wait);
      return tools.begun();
    }
    if (fault.kind === "failover") await this.#handOver();
    else if (fault.kind === "failover-lagging") await this.#lag(wait);
    else if (fault.kind === "failover-revive") await this.#revive(wait);
    else throw new RangeError(`the redis backend has no fault ${fault.kind}`);
    await nodes.rejoin();
  }

  /** Nothing is lost: the primary takes no writes until its replica has them all and is promoted. */
  async #handOver(): Promise<void> {
    await this.#admin().call("CLIENT", "PAUSE", "3000", "WRITE");
    await this.#nodes.untilInSync();
    const old = this.#nodes.primary;
    this.#move(await this.#nodes.promote());
    await old.kill();
  }

  async #lag(wait: () => Promise<void>): Promise<void> {
    this.#nodes.holdReplication();
    await wait();
    await this.#nodes.primary.kill();
    this.#move(await this.#nodes.promote());
  }

  /** The old primary wakes up and executes what its connections still hold, until it is killed. */
  async #revive(wait: () => Promise<void>): Promise<void> {
    const old = this.#nodes.primary;
    await old.freeze();
    this.#move(await this.#nodes.promote());
    await wait();
    old.thaw();
    await wait();
  }

  #move({ port }: RedisServer): void {
    for (const listener of this.#movedListeners) listener(port);
  }

  /** A connection to whichever server is the primary. A server that does not answer fails the order. */
  #admin(): Redis {
    const server = this.#nodes.primary;
    if (this.#client?.server === server) return this.#client.client;
    this.#client?.client.disconnect();
    const client = server.client({ commandTimeout: 4_000, maxRetriesPerRequest: 0 });
    this.#client = { server, client };
    return client;
  }
}
