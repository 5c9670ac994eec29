// A Redis master, its replicas and the sentinels that watch them, under faults. Who is the master is theirs to decide;
// the harness only looks.

import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RedisDatabaseSettings } from "../../src/index.js";
import type { Redis } from "ioredis";
import type { RedisServer } from "../support/redis-server.js";
import { startSentinels, type SentinelGroup } from "../support/redis-sentinels.js";
import { waitUntil } from "../support/wait.js";
import type { Backend, DoorPorts, FaultTools, Store, StoreDeps, StoredHolder } from "./backend.js";
import type { SteppedClock } from "./clock-shim.js";
import type { Limits } from "./fleets.js";
import { faultKinds, specOf, type FaultKind } from "./kinds.js";
import type { DatabaseDescription } from "./member-protocol.js";
import { PrimaryWatch } from "./primary-watch.js";
import { endScript, freeze, redisOrders, step } from "./redis-faults.js";
import { readHolders, readLeftovers } from "./redis-records.js";
import type { Interval } from "./relaxations.js";
import type { Fault, Schedule } from "./schedule.js";
import { masterOf, sentinelFaults } from "./sentinel-faults.js";

const prefix = "pulselock:";
const REPLICAS = 2;
/** Here sentinels do what these do on a lone pair of servers. */
const byHand: readonly FaultKind[] = ["failover", "failover-lagging", "failover-revive"];
const kinds = faultKinds.filter((kind) => {
  const { on, of = "sentinel" } = specOf(kind);
  return on !== "process" && of === "sentinel" && !byHand.includes(kind);
});

export const sentinelBackend: Backend = {
  name: "sentinel",
  kinds,
  replicas: REPLICAS,
  notRun: (shim) => {
    const stepped = kinds.filter((kind) => kind.startsWith("store-clock"));
    return new Map(shim ? [] : stepped.map((kind) => [kind, "no clock shim"]));
  },
  start: (schedule: Schedule, deps) => SentinelStore.start(schedule, deps),
};

class SentinelStore implements Store {
  readonly port: number;
  readonly otherPorts: readonly number[];
  readonly #group: SentinelGroup;
  readonly #watch: PrimaryWatch;
  readonly #clock: SteppedClock | undefined;
  readonly #asked: Pick<RedisDatabaseSettings, "replicas">;
  readonly #directoryOf: (server: RedisServer) => string;
  readonly #clients = new Map<RedisServer, Redis>();
  /** What stops or restarts a server takes turns: two at a time would stop each other's. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    { replicas }: Schedule,
    group: SentinelGroup,
    clock: SteppedClock | undefined,
    directoryOf: (index: number) => string,
  ) {
    this.#asked = replicas === undefined ? {} : { replicas: { count: replicas } };
    this.#group = group;
    this.#clock = clock;
    this.#watch = new PrimaryWatch(group.servers);
    this.#directoryOf = (server) => directoryOf(group.servers.indexOf(server));
    const [first, ...others] = [...group.servers, ...group.sentinels].map(({ port }) => port);
    [this.port, this.otherPorts] = [first!, others];
  }

  static async start(schedule: Schedule, { directory, shim }: StoreDeps): Promise<SentinelStore> {
    const clock = shim?.clock();
    const directoryOf = (index: number): string => join(directory, `redis-${index}`);
    for (let index = 0; index <= REPLICAS; index++) await mkdir(directoryOf(index), { recursive: true });
    const extraArgs = ["--enable-debug-command", "yes", "--busy-reply-threshold", "200"];
    const server = { appendonly: true, extraArgs, env: clock?.env ?? {} };
    const group = await startSentinels({ replicas: REPLICAS, server, directoryOf, isBrisk: true });
    const store = new SentinelStore(schedule, group, clock, directoryOf);
    await waitUntil(() => store.#watch.primary, Boolean, { deadlineMs: 10_000, what: "a master" });
    return store;
  }

  /** Clients ask the sentinels. */
  onMoved(): void {}

  /** Every address that a sentinel may name leads through the member's proxy. */
  describe({ port, others }: DoorPorts, { database }: Limits, host: string | undefined): DatabaseDescription {
    const { servers, source } = this.#group;
    const at = (door: number) => ({ host: "127.0.0.1", port: door });
    const doors = [port, ...others].map(at);
    const natMap = Object.fromEntries(servers.map((server, i) => [`127.0.0.1:${server.port}`, doors[i]!]));
    const reached = { ...source, sentinels: doors.slice(servers.length), natMap };
    const settings = { ...database, ...this.#asked, prefix };
    return { backend: "sentinel", source: reached, settings, ...(host !== undefined && { host }) };
  }

  async apply(fault: Fault, tools: FaultTools): Promise<void> {
    const order = redisOrders[fault.kind];
    if (order) return order(this.#client(await masterOf(this.#watch)), fault, tools);
    if (fault.kind.startsWith("store-clock")) return step(this.#clock, fault, tools);
    const byGroup = sentinelFaults[fault.kind];
    if (byGroup && fault.kind.startsWith("sentinel-")) return byGroup(this.#group, fault, tools, this.#watch);
    const turn = this.#turn.then(() =>
      byGroup ? byGroup(this.#group, fault, tools, this.#watch) : this.#structural(fault, tools),
    );
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  seen(): readonly Interval[] {
    return this.#watch.seen();
  }

  /** Everything runs, one is the master, the others follow it, and no sentinel will change that. */
  async heal(): Promise<void> {
    await this.#turn;
    const { servers, sentinels } = this.#group;
    for (const sentinel of sentinels) {
      sentinel.thaw();
      await sentinel.start();
    }
    for (const server of servers) {
      server.thaw();
      if (server.pid === undefined) await server.start();
      await waitUntil(() => this.#mend(server), true, { deadlineMs: 15_000, what: "a server that takes orders" });
    }
    // A master that was made a replica behind the sentinels' back is replaced once it counts as down, so not before.
    await this.#group.untilSettled();
    await this.#group.quiet();
    await this.#group.untilSettled();
  }

  async holders(): Promise<StoredHolder[]> {
    return readHolders(this.#client(await this.#group.master()), prefix);
  }

  async leftovers(): Promise<string[]> {
    return readLeftovers(this.#client(await this.#group.master()), prefix);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) client.disconnect();
    await Promise.all([this.#watch[Symbol.asyncDispose](), this.#group[Symbol.asyncDispose]()]);
    this.#clock?.close();
  }

  /** False: it was started a moment ago, or what it still has to execute comes first. */
  async #mend(server: RedisServer): Promise<boolean> {
    const client = this.#client(server);
    try {
      await endScript(client);
      await client.call("CLIENT", "UNPAUSE");
      await client.config("SET", "maxmemory", "0");
      await client.config("SET", "masterauth", "");
      return true;
    } catch {
      return false;
    }
  }

  /** Back as it went, though another may be the master by then. */
  async #structural(fault: Fault, tools: FaultTools): Promise<void> {
    const server = await masterOf(this.#watch);
    const wait = (): Promise<void> => tools.wait(fault.durationMs);
    if (fault.kind === "store-freeze") {
      await freeze(server, fault, tools);
      return this.#watch.thawed(server);
    }
    const data = join(this.#directoryOf(server), "appendonlydir");
    const copy = `${data}-old`;
    if (fault.kind === "store-old") {
      await rm(copy, { recursive: true, force: true });
      await cp(data, copy, { recursive: true });
      await wait();
    }
    tools.begun();
    await server.kill();
    if (fault.kind !== "store-crash") await rm(data, { recursive: true, force: true });
    if (fault.kind === "store-old") await cp(copy, data, { recursive: true });
    else await wait();
    await server.start();
  }

  /** A server that does not answer fails the order. */
  #client(server: RedisServer): Redis {
    const client = this.#clients.get(server) ?? server.client({ commandTimeout: 4_000, maxRetriesPerRequest: 0 });
    this.#clients.set(server, client);
    return client;
  }
}
