// A master with its replicas, and sentinels that watch them: real ones, quick to act.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RedisOptions } from "ioredis";
import { admin } from "./admin.js";
import { freePort } from "./ports.js";
import { guardProcess } from "./process-guard.js";
import { exchange } from "./raw-redis.js";
import { startRedis, type RedisServer, type RedisServerOptions } from "./redis-server.js";
import { waitUntil, withDeadline } from "./wait.js";

const deadlineMs = 30_000;
const name = "main";
/** How long a master may be silent before a sentinel takes it for down, ms. */
export const DOWN_MS = 700;

export interface SentinelOptions {
  /** Default 2. */
  readonly replicas?: number;
  readonly server?: RedisServerOptions;
}

/** Three sentinels, a master and its replicas. Resolves once every sentinel knows all of them. */
export async function startSentinels({ replicas = 2, server = {} }: SentinelOptions = {}): Promise<SentinelGroup> {
  const parts: AsyncDisposable[] = [];
  try {
    const extraArgs = [
      "--repl-diskless-sync-delay",
      "0",
      "--repl-ping-replica-period",
      "1",
      ...(server.extraArgs ?? []),
    ];
    const open = async (): Promise<RedisServer> => {
      const started = await startRedis({ ...server, extraArgs });
      parts.push(started);
      return started;
    };
    const servers = await Promise.all(Array.from({ length: replicas + 1 }, open));
    const [master, ...others] = servers as [RedisServer, ...RedisServer[]];
    for (const replica of others) await admin(replica).call("REPLICAOF", "127.0.0.1", master.port);
    for (const replica of others) await untilFollows(replica);
    const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(master.port)));
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
  async order(): Promise<void> {
    const [{ port }] = this.sentinels as [Sentinel];
    const [line] = await exchange(urlOf(port), [`SENTINEL FAILOVER ${name}`], isLine);
    if (line !== "+OK") throw new Error(`no failover: ${line}`);
  }

  /** Until most sentinels name another one than that. */
  async untilReplaced(master: RedisServer): Promise<RedisServer> {
    const isReplaced = async (): Promise<boolean> => (await this.master()) !== master;
    await waitUntil(isReplaced, true, { deadlineMs, what: "another master" });
    return this.master();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts.toReversed()) await part[Symbol.asyncDispose]();
  }
}

export interface Sentinel extends AsyncDisposable {
  readonly port: number;
  kill(): Promise<void>;
}

async function startSentinel(masterPort: number): Promise<Sentinel> {
  const dir = await mkdtemp(join(tmpdir(), "pulselock-sentinel-"));
  const port = await freePort();
  const conf = join(dir, "sentinel.conf");
  const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${dir}`, "logfile sentinel.log"];
  lines.push(
    `sentinel monitor ${name} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${name} ${DOWN_MS}`,
  );
  lines.push(`sentinel failover-timeout ${name} 3000`, `sentinel parallel-syncs ${name} 2`);
  await writeFile(conf, `${lines.join("\n")}\n`);
  const child = spawn("redis-server", [conf, "--sentinel"], { stdio: "ignore" });
  guardProcess(child, dir);
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const answers = async (): Promise<boolean> => (await exchange(urlOf(port), ["PING"], isLine)).includes("+PONG");
  await waitUntil(answers, true, { deadlineMs, what: `the sentinel on port ${port}` });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await withDeadline(gone, deadlineMs, "the killed sentinel's exit");
  };
  const dispose = async (): Promise<void> => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  };
  return { port, kill, [Symbol.asyncDispose]: dispose };
}

const urlOf = (port: number): string => `redis://127.0.0.1:${port}`;
const isLine = (line: string): boolean => /^[+-]/.test(line);

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
