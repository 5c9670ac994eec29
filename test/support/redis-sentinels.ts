// A master with its replicas, and sentinels that watch them: real ones, quick to act.

import type { RedisOptions } from "ioredis";
import { admin } from "./admin.js";
import { exchange } from "./raw-redis.js";
import { Sentinel } from "./redis-sentinel.js";
import { startRedis, type RedisServer, type RedisServerOptions } from "./redis-server.js";
import { waitUntil } from "./wait.js";

const deadlineMs = 30_000;
/** Less than what the healing of a schedule may take, so that it is told what was wrong. */
const settleMs = 25_000;
const name = "main";

export interface SentinelOptions {
  /** Default 2. */
  readonly replicas?: number;
  readonly server?: RedisServerOptions;
  /** Where each server's data goes, by its number. Default: a temporary directory of its own. */
  readonly directoryOf?: (index: number) => string;
  /** Told and asked several times a second, and by as much sooner made a replica again what was a master. */
  readonly isBrisk?: boolean;
}

/** Three sentinels, a master and its replicas. Resolves once every sentinel knows all of them. */
export async function startSentinels(options: SentinelOptions = {}): Promise<SentinelGroup> {
  const { replicas = 2, server = {}, directoryOf, isBrisk = false } = options;
  const parts: AsyncDisposable[] = [];
  try {
    const extraArgs = [
      "--repl-diskless-sync-delay",
      "0",
      "--repl-ping-replica-period",
      "1",
      ...(server.extraArgs ?? []),
    ];
    const open = async (_: unknown, i: number): Promise<RedisServer> => {
      const started = await startRedis({ ...server, extraArgs, ...(directoryOf && { dir: directoryOf(i) }) });
      parts.push(started);
      return started;
    };
    const servers = await Promise.all(Array.from({ length: replicas + 1 }, open));
    const [master, ...others] = servers as [RedisServer, ...RedisServer[]];
    for (const replica of others) await admin(replica).call("REPLICAOF", "127.0.0.1", master.port);
    for (const replica of others) await untilFollows(replica);
    const sentinels = await Promise.all([1, 2, 3].map(() => Sentinel.start(name, master.port, isBrisk)));
    parts.push(...sentinels);
    for (const { port } of sentinels) await untilComplete(port, others.length, sentinels.length - 1);
    return new SentinelGroup(servers, sentinels, parts);
  } catch (error) {
    for (const part of parts.toReversed()) await part[Symbol.asyncDispose]();
    throw error;
  }
}

export class SentinelGroup implements AsyncDisposable {
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly Sentinel[];
  readonly #parts: readonly AsyncDisposable[];

  constructor(servers: readonly RedisServer[], sentinels: readonly Sentinel[], parts: readonly AsyncDisposable[]) {
    this.servers = servers;
    this.sentinels = sentinels;
    this.#parts = parts;
  }

  /** As ioredis takes it. */
  get source(): RedisOptions {
    return { sentinels: this.sentinels.map(({ port }) => ({ host: "127.0.0.1", port })), name };
  }

  get url(): string {
    return `redis+sentinel://${this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/${name}`;
  }

  /** The one that most sentinels name. */
  async master(): Promise<RedisServer> {
    const ports = await Promise.all(this.sentinels.map(({ port }) => masterPort(port)));
    const port = ports.toSorted().at(1);
    const server = this.servers.find((one) => one.port === port);
    if (!server) throw new Error(`the sentinels name an unknown master: ${ports.join(" ")}`);
    return server;
  }

  replicas(master: RedisServer): RedisServer[] {
    return this.servers.filter((one) => one !== master);
  }

  /** Asks a sentinel for a failover, as an operator does. */
  async order(sentinel: Sentinel = this.sentinels[0]!): Promise<void> {
    const line = await sentinel.ask("SENTINEL", "FAILOVER", name);
    if (line !== "+OK") throw new Error(`no failover: ${line}`);
  }

  /** Until most sentinels name another one than that. */
  async untilReplaced(master: RedisServer): Promise<RedisServer> {
    const isReplaced = async (): Promise<boolean> => (await this.master()) !== master;
    await waitUntil(isReplaced, true, { deadlineMs, what: "another master" });
    return this.master();
  }

  /** Until all sentinels name one master, nothing about it is under way, and every other server follows it. */
  async untilSettled(): Promise<void> {
    const unsettled = async (): Promise<string> => {
      const ports = await Promise.all(this.sentinels.map(({ port }) => masterPort(port)));
      const flags = await Promise.all(this.sentinels.map(({ port }) => masterFlags(port)));
      const roles = await Promise.all(this.servers.map((server) => admin(server).info("replication")));
      const isSettled =
        flags.every((of) => of === "master") &&
        this.servers.every(({ port }, i) =>
          port === ports[0]
            ? ports.every((other) => other === port) && roles[i]!.includes("role:master")
            : roles[i]!.includes(`master_port:${ports[0]}\r\n`) && roles[i]!.includes("master_link_status:up"),
        );
      const fields = roles.map((role) => role.match(/^(role|master_port|master_link_status):.*$/gm)?.join(" "));
      const servers = this.servers.map(({ port }, i) => `${port} ${fields[i]}`);
      return isSettled ? "" : `sentinels ${ports.join(" ")} (${flags.join("; ")}), servers ${servers.join("; ")}`;
    };
    await waitUntil(unsettled, "", { deadlineMs: settleMs, what: "what keeps all from following one master" });
  }

  /** From now on no sentinel takes a master for down, however slow the machine. */
  async quiet(): Promise<void> {
    for (const sentinel of this.sentinels) {
      await sentinel.ask("SENTINEL", "SET", name, "down-after-milliseconds", "60000");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts.toReversed()) await part[Symbol.asyncDispose]();
  }
}

const urlOf = (port: number): string => `redis://127.0.0.1:${port}`;

async function untilFollows(replica: RedisServer): Promise<void> {
  const follows = async (): Promise<boolean> =>
    (await admin(replica).info("replication")).includes("master_link_status:up");
  await waitUntil(follows, true, { deadlineMs, what: "a replica follows" });
}

async function untilComplete(port: number, replicas: number, others: number): Promise<void> {
  const wanted = `status=ok,address=`;
  const isComplete = async (): Promise<boolean> => {
    const lines = (await exchange(urlOf(port), ["INFO sentinel", "PING"], (line) => line === "+PONG")).join("\n");
    return lines.includes(wanted) && lines.includes(`slaves=${replicas},sentinels=${others + 1}`);
  };
  await waitUntil(isComplete, true, { deadlineMs, what: "the sentinel knows all" });
}

async function masterPort(port: number): Promise<number> {
  const command = `SENTINEL get-master-addr-by-name ${name}`;
  const lines = await exchange(urlOf(port), [command, "PING"], (line) => line === "+PONG").catch(() => []);
  return Number(lines.filter((line) => /^\d+$/.test(line)).at(-1) ?? 0);
}

/** "master", and what else there is to say: "s_down", "failover_in_progress". */
async function masterFlags(port: number): Promise<string | undefined> {
  const lines = await exchange(urlOf(port), [`SENTINEL MASTER ${name}`, "PING"], (line) => line === "+PONG");
  return lines[lines.indexOf("flags") + 2];
}
