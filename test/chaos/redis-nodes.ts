// A Redis under test and its replica: killed, frozen, restarted with everything, nothing or old data, promoted.

import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { waitUntil } from "../support/wait.js";
import type { SteppedClock } from "./clock-shim.js";

/** Where Redis keeps what append-only has written. */
const dataFolder = "appendonlydir";

const deadlineMs = 10_000;

export class RedisNodes implements AsyncDisposable {
  readonly #directory: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #servers: RedisServer[] = [];
  /** Between the replica and its primary, whichever they are. */
  #replication: TcpProxy | undefined;
  #primary = 0;

  private constructor(directory: string, clock: SteppedClock | undefined) {
    this.#directory = directory;
    this.#env = clock?.env ?? {};
  }

  static async start(directory: string, clock: SteppedClock | undefined, replica: boolean): Promise<RedisNodes> {
    const nodes = new RedisNodes(directory, clock);
    await nodes.#add();
    if (replica) await nodes.#addReplica();
    return nodes;
  }

  get primary(): RedisServer {
    return this.#servers[this.#primary]!;
  }

  get #replica(): RedisServer {
    const replica = this.#servers[1 - this.#primary];
    if (!replica) throw new Error("the schedule was started without a replica");
    return replica;
  }

  /** kill -9, and back with all that was acknowledged. */
  async crash(wait: () => Promise<void>): Promise<void> {
    await this.primary.kill();
    await wait();
    await this.primary.start();
  }

  async crashEmpty(wait: () => Promise<void>): Promise<void> {
    await this.primary.kill();
    await rm(this.#data(this.#primary), { recursive: true, force: true });
    await wait();
    await this.primary.start();
  }

  /** Back with the data as it was before `wait`. */
  async crashOld(wait: () => Promise<void>): Promise<void> {
    const copy = join(this.#directory, "old");
    await rm(copy, { recursive: true, force: true });
    await cp(this.#data(this.#primary), copy, { recursive: true });
    await wait();
    await this.primary.kill();
    await rm(this.#data(this.#primary), { recursive: true, force: true });
    await cp(copy, this.#data(this.#primary), { recursive: true });
    await this.primary.start();
  }

  /** The replica does not hear of what is written from now on. */
  holdReplication(): void {
    this.#replication?.hold();
  }

  /** Resolves once the replica has all that the primary has. Nothing may be written meanwhile. */
  async untilInSync(): Promise<void> {
    const read = async (): Promise<boolean> => {
      const [ahead, behind] = await Promise.all([this.primary, this.#replica].map(readOffset));
      return ahead !== undefined && ahead === behind;
    };
    await waitUntil(read, true, { deadlineMs: 1_500, what: "the replica has everything" });
  }

  /** The replica is the primary from here on. The old one goes on running, or stays frozen. */
  async promote(): Promise<RedisServer> {
    await order(this.#replica, "REPLICAOF", "NO", "ONE");
    this.#primary = 1 - this.#primary;
    return this.primary;
  }

  /** What was the primary before promote() comes back, empty, as the replica. */
  async rejoin(): Promise<void> {
    const index = 1 - this.#primary;
    const old = this.#servers[index]!;
    await old.kill();
    await rm(this.#data(index), { recursive: true, force: true });
    if (this.#replication) this.#replication.targetPort = this.primary.port;
    this.#replication?.heal();
    this.#replication?.cut();
    await old.start();
    await this.#follow(old);
  }

  get old(): RedisServer {
    return this.#replica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replication?.[Symbol.asyncDispose]();
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
  }

  async #add(): Promise<void> {
    const dir = join(this.#directory, `redis-${this.#servers.length}`);
    await mkdir(dir, { recursive: true });
    const extraArgs = [
      "--enable-debug-command",
      "yes",
      "--busy-reply-threshold",
      "200",
      "--repl-diskless-sync-delay",
      "0",
    ];
    this.#servers.push(await startRedis({ dir, appendonly: true, extraArgs, env: this.#env }));
  }

  async #addReplica(): Promise<void> {
    await this.#add();
    this.#replication = await startProxy(this.primary.port);
    await this.#follow(this.#replica);
  }

  async #follow(server: RedisServer): Promise<void> {
    await order(server, "REPLICAOF", "127.0.0.1", String(this.#replication!.port));
    const linked = async (): Promise<boolean> => (await info(server)).includes("master_link_status:up");
    await waitUntil(linked, true, { deadlineMs, what: "the replica follows" });
  }

  #data(index: number): string {
    return join(this.#directory, `redis-${index}`, dataFolder);
  }
}

async function readOffset(server: RedisServer): Promise<number | undefined> {
  const text = await info(server);
  const found = /slave_repl_offset:(\d+)/.exec(text) ?? /master_repl_offset:(\d+)/.exec(text);
  return found ? Number(found[1]) : undefined;
}

function info(server: RedisServer): Promise<string> {
  return withClient(server, (client) => client.info("replication"));
}

async function order(server: RedisServer, ...words: [string, ...string[]]): Promise<void> {
  await withClient(server, (client) => client.call(...words));
}

async function withClient<T>(server: RedisServer, ask: (client: ReturnType<RedisServer["client"]>) => Promise<T>) {
  const client = server.client({ commandTimeout: 1_000 });
  try {
    return await ask(client);
  } finally {
    client.disconnect();
  }
}
