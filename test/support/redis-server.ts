// A real Redis of one's own: free loopback port, own directory, gone when the test process is gone.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { freePort } from "./ports.js";
import { guardProcess } from "./process-guard.js";
import { exchange } from "./raw-redis.js";
import { waitUntil, withDeadline } from "./wait.js";

export interface RedisServerOptions {
  /** Default: a free one, which restarts keep. */
  readonly port?: number;
  /** Where data and log go. Default: a new temporary directory, removed on dispose. A given one is left in place. */
  readonly dir?: string;
  /** Default false: nothing is on disk, so a killed server comes back empty. True: every reply is on disk first. */
  readonly appendonly?: boolean;
  /** As redis.conf takes it: bytes, or "10mb". Default: no limit. */
  readonly maxmemory?: number | string;
  readonly password?: string;
  /** Appended last, so they win: ["--enable-debug-command", "yes"]. */
  readonly extraArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** By name, put beside the data before the first start. */
  readonly files?: Readonly<Record<string, string>>;
}

/** ioredis types its replies by `replyMapping`, so that one must be known at compile time. */
export type ClientOptions = Omit<RedisOptions, "replyMapping">;

/** How long a start or a stop may take on a machine that is busy with other tests, in ms. */
const deadlineMs = 15_000;

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "pulselock-redis-")));
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), text);
  for (let attempt = 1; ; attempt++) {
    const server = new RedisServer(options.port ?? (await freePort()), dir, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes("Address already in use");
      if (portTaken && options.port === undefined && attempt < 5) continue;
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }
}

export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly #dir: string;
  readonly #options: RedisServerOptions;
  readonly #clients = new Set<Redis>();
  #running: { child: ChildProcess; gone: Promise<string> } | undefined;

  /** Use startRedis(). */
  constructor(port: number, dir: string, options: RedisServerOptions) {
    this.port = port;
    this.#dir = dir;
    this.#options = options;
    const credentials = options.password === undefined ? "" : `:${encodeURIComponent(options.password)}@`;
    this.url = `redis://${credentials}127.0.0.1:${port}`;
  }

  /** Of the running server; undefined while it is down. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Starts a server that is down. Resolves once it answers PING, its data loaded. */
  async start(): Promise<void> {
    if (this.#running) throw new Error(`redis on port ${this.port} runs already`);
    const env = { ...process.env, ...this.#options.env };
    const child = spawn("redis-server", this.#args(), { stdio: "ignore", env });
    guardProcess(child, this.#options.dir === undefined ? this.#dir : "");
    const gone = exitOf(child, () => {
      if (this.#running?.child === child) this.#running = undefined;
    });
    this.#running = { child, gone };
    try {
      await this.#answers(child);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    if (hasEnded(child)) throw new Error(`redis-server on port ${this.port} ${await gone}\n${await this.#logTail()}`);
  }

  /** Graceful: SIGTERM, as an operator would. A frozen server is thawed first, a stuck one is killed. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    const { child, gone } = this.#running;
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    await withDeadline(gone, deadlineMs, "the server's exit").catch(() => this.kill());
  }

  /** SIGKILL, as a crash would. */
  async kill(): Promise<void> {
    if (!this.#running) return;
    const { child, gone } = this.#running;
    child.kill("SIGKILL");
    await withDeadline(gone, deadlineMs, "the killed server's exit");
  }

  /**
   * Down and up again on the same port. `keepData: true` without append-only saves a snapshot first, if the server is
   * still up to be asked; after kill() only what was on disk comes back. `keepData: false` comes back empty.
   */
  async restart({ keepData }: { keepData: boolean }): Promise<void> {
    if (keepData && this.#running && this.#options.appendonly !== true) await this.#save();
    await this.stop();
    if (!keepData) await this.#eraseData();
    await this.start();
  }

  /** SIGSTOP: connections stay open, nothing answers. Resolves once the process has stopped. */
  async freeze(): Promise<void> {
    this.#running?.child.kill("SIGSTOP");
    const statPath = `/proc/${this.pid}/stat`;
    // The signal takes effect a moment later. Only Linux shows the state in a file; elsewhere that moment is not seen.
    if (!existsSync(statPath)) return;
    const state = async (): Promise<string> => (await readFile(statPath, "utf8")).replace(/^.*\) /s, "").charAt(0);
    await waitUntil(state, "T", { deadlineMs, what: "the frozen server's state" });
  }

  thaw(): void {
    this.#running?.child.kill("SIGCONT");
  }

  /** A plain client, disconnected on dispose. It reconnects quickly and keeps silent about a server that is down. */
  client(options: ClientOptions = {}): Redis {
    return openClient(this.url, options, this.#clients);
  }

  /** Lets our process end while the server runs; the guard then ends the server. For sharedRedis. */
  unref(): void {
    this.#running?.child.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeClients(this.#clients);
    await this.kill();
    if (this.#options.dir === undefined) await rm(this.#dir, { recursive: true, force: true });
  }

  #args(): string[] {
    const { appendonly = false, maxmemory, password, extraArgs = [] } = this.#options;
    const args = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#dir, "--logfile", "redis.log"];
    args.push("--save", "", "--appendonly", appendonly ? "yes" : "no", "--appendfsync", "always");
    if (maxmemory !== undefined) args.push("--maxmemory", String(maxmemory));
    if (password !== undefined) args.push("--requirepass", password);
    return [...args, ...extraArgs];
  }

  /**
   * PING says that the data is loaded; the process id says that it is our server and not a neighbour on our port.
   * Also settles when the process has ended, or a taken port would cost the whole deadline.
   */
  async #answers(child: ChildProcess): Promise<void> {
    const ask = async (): Promise<boolean> => {
      const lines = await exchange(this.url, ["INFO server", "PING"], isPong);
      return lines.includes("+PONG") && lines.includes(`process_id:${child.pid}`);
    };
    const settled = async (): Promise<boolean> => hasEnded(child) || (await ask());
    await waitUntil(settled, true, { deadlineMs, what: "redis-server answers PING" });
  }

  async #save(): Promise<void> {
    this.thaw();
    const lines = await exchange(this.url, ["SAVE", "PING"], isPong, deadlineMs);
    if (!lines.includes("+PONG")) throw new Error(`no snapshot was saved: ${lines.join(" ")}`);
  }

  async #eraseData(): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      if (/\.rdb$|appendonly/.test(name)) await rm(join(this.#dir, name), { recursive: true, force: true });
    }
  }

  async #logTail(): Promise<string> {
    const log = await readFile(join(this.#dir, "redis.log"), "utf8").catch(() => "(no log was written)");
    return log.split("\n").slice(-12).join("\n");
  }
}

/** A Redis that the tests of one process share: fresh keys keep them apart. */
export interface SharedRedis {
  readonly url: string;
  client(options?: ClientOptions): Redis;
  /** Disconnects the clients this handle gave out. The server stays for the next test. */
  [Symbol.asyncDispose](): Promise<void>;
}

let sharedServer: Promise<RedisServer> | undefined;

/** The server at REDIS_URL when set, else one that is started on first use and ends with this process. */
export async function sharedRedis(): Promise<SharedRedis> {
  const url = process.env["REDIS_URL"] || (await (sharedServer ??= startUnreferenced())).url;
  const clients = new Set<Redis>();
  return {
    url,
    client: (options = {}) => openClient(url, options, clients),
    [Symbol.asyncDispose]: async () => closeClients(clients),
  };
}

async function startUnreferenced(): Promise<RedisServer> {
  const server = await startRedis();
  server.unref();
  return server;
}

function openClient(url: string, options: ClientOptions, clients: Set<Redis>): Redis {
  const client = new Redis(url, { retryStrategy: (times) => Math.min(times * 20, 200), ...options });
  // ioredis prints errors that nobody listens to; in a test that kills servers they are expected.
  client.on("error", () => undefined);
  client.once("end", () => clients.delete(client));
  clients.add(client);
  return client;
}

function closeClients(clients: Set<Redis>): void {
  for (const client of clients) client.disconnect();
  clients.clear();
}

/** The last line of an exchange that asks for PONG; an error, "-LOADING" say, ends it early. */
function isPong(line: string): boolean {
  return line === "+PONG" || line.startsWith("-");
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Resolves, never rejects, with what became of the process, after `onEnd`. */
function exitOf(child: ChildProcess, onEnd: () => void): Promise<string> {
  return new Promise((resolve) => {
    const end = (how: string): void => (onEnd(), resolve(how));
    child.once("exit", (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
    child.once("error", (error) => end(`could not be started: ${error.message}. npm test installs what is missing.`));
  });
}
