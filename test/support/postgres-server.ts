// A real PostgreSQL of one's own: free loopback port, own directory, gone when the test process is gone.

import { spawn, type ChildProcess } from "node:child_process";
import { chownSync, readFileSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { freePort } from "./ports.js";
import { fillData, postgresProgram, run, unprivileged } from "./postgres-programs.js";
import { guardProcess } from "./process-guard.js";
import { waitUntil, withDeadline } from "./wait.js";

export interface PostgresServerOptions {
  /** Default: a free one, which restarts keep. */
  readonly port?: number;
  /** Settings, appended last, so they win: { max_connections: "5" }. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** The port of the server that it copies, and then follows until it is promoted. */
  readonly standbyOf?: number;
}

const USER = "pulselock";
const DATABASE = "postgres";
/** How long a start or a stop may take on a machine that is busy with other tests, in ms. */
const deadlineMs = 20_000;

export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const dir = await mkdtemp(join(tmpdir(), "pulselock-postgres-"));
  const as = unprivileged();
  if (as) chownSync(dir, as.uid, as.gid);
  await fillData(join(dir, "data"), USER, options.standbyOf, { ...as, cwd: dir });
  for (let attempt = 1; ; attempt++) {
    const server = new PostgresServer(options.port ?? (await freePort()), dir, as, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes("Address already in use");
      if (portTaken && options.port === undefined && attempt < 5) continue;
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }
}

export class PostgresServer {
  readonly port: number;
  readonly url: string;
  readonly #dir: string;
  readonly #as: { uid: number; gid: number } | undefined;
  readonly #options: PostgresServerOptions;
  #running: { child: ChildProcess; gone: Promise<string> } | undefined;

  /** Use startPostgres(). */
  constructor(port: number, dir: string, as: { uid: number; gid: number } | undefined, options: PostgresServerOptions) {
    this.port = port;
    this.#dir = dir;
    this.#as = as;
    this.#options = options;
    this.url = `postgres://${USER}@127.0.0.1:${port}/${DATABASE}`;
  }

  /** Of the running server's first process; undefined while it is down. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Starts a server that is down. Resolves once it answers a statement. */
  async start(): Promise<void> {
    if (this.#running) throw new Error(`postgres on port ${this.port} runs already`);
    const child = spawn(postgresProgram("postgres"), this.#args(), {
      ...this.#as,
      cwd: this.#dir,
      stdio: "ignore",
      env: { ...process.env, ...this.#options.env },
    });
    guardProcess(child, this.#dir);
    const gone = new Promise<string>((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.#running?.child === child) this.#running = undefined;
        resolve(`ended with ${signal ?? `code ${code}`}`);
      });
      child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    });
    this.#running = { child, gone };
    const settled = async (): Promise<boolean> => hasEnded(child) || (await this.#answers());
    try {
      await waitUntil(settled, true, { deadlineMs, what: "postgres answers" });
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    if (hasEnded(child)) throw new Error(`postgres on port ${this.port} ${await gone}\n${await this.#logTail()}`);
  }

  /** "fast": SIGINT, as an operator would. "immediate": SIGQUIT, a crash that its own recovery mends at the start. */
  async stop(how: "fast" | "immediate" = "fast"): Promise<void> {
    if (!this.#running) return;
    const { child, gone } = this.#running;
    this.thaw();
    child.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
    await withDeadline(gone, deadlineMs, "the server's exit").catch(() => this.kill());
  }

  /** SIGKILL of all its processes at once, as when its machine fails. */
  async kill(): Promise<void> {
    if (!this.#running) return;
    const { child, gone } = this.#running;
    for (const pid of this.processes()) signal(pid, "SIGKILL");
    child.kill("SIGKILL");
    await withDeadline(gone, deadlineMs, "the killed server's exit");
  }

  /** A standby becomes a primary. Resolves once it takes writes. */
  async promote(): Promise<void> {
    const client = await this.client();
    await client.query("SELECT pg_promote(true, 20)");
    await client.end();
  }

  async restart(how: "fast" | "immediate" = "fast"): Promise<void> {
    await this.stop(how);
    await this.start();
  }

  /** Killed, and back with the data as it was before `meanwhile`: what a replica had that is promoted, or a backup. */
  async revert<T>(meanwhile: () => Promise<T>): Promise<T> {
    const [data, copy] = [join(this.#dir, "data"), join(this.#dir, "old")];
    await rm(copy, { recursive: true, force: true });
    // Of one moment, or its recovery would find a log that does not fit its files
    this.freeze();
    try {
      await run("cp", ["-a", data, copy]);
    } finally {
      this.thaw();
    }
    const result = await meanwhile();
    await this.kill();
    await rm(data, { recursive: true, force: true });
    await rename(copy, data);
    await rm(join(data, "postmaster.pid"), { force: true });
    await this.start();
    return result;
  }

  /** SIGSTOP of all its processes: connections stay open, nothing answers. */
  freeze(): void {
    for (const pid of this.processes()) signal(pid, "SIGSTOP");
  }

  thaw(): void {
    for (const pid of this.processes()) signal(pid, "SIGCONT");
  }

  /** The first one and its children. */
  processes(): number[] {
    const first = this.pid;
    if (first === undefined) return [];
    const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return [first, ...all.map(Number).filter((pid) => parentOf(pid) === first)];
  }

  async client(): Promise<Client> {
    return openClient(this.url);
  }

  /** Lets our process end while the server runs; the guard then ends the server. */
  unref(): void {
    this.#running?.child.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  #args(): string[] {
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      fsync: "off",
      logging_collector: "on",
      log_directory: this.#dir,
      log_filename: "postgres.log",
      max_connections: "200",
      shared_buffers: "16MB",
      ...this.#options.settings,
    };
    const args = ["-D", join(this.#dir, "data"), "-p", String(this.port)];
    return [...args, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  }

  async #answers(): Promise<boolean> {
    try {
      const client = await openClient(this.url);
      await client.end();
      return true;
    } catch {
      return false; // not yet
    }
  }

  async #logTail(): Promise<string> {
    const log = await readFile(join(this.#dir, "postgres.log"), "utf8").catch(() => "(no log was written)");
    return log.split("\n").slice(-12).join("\n");
  }
}

export async function openClient(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined); // in a test that kills servers they are expected
  await client.connect();
  return client;
}

let sharedServer: Promise<PostgresServer> | undefined;

/** A server that is started on first use and ends with this process. */
export async function sharedPostgresUrl(): Promise<string> {
  return (await (sharedServer ??= startUnreferenced())).url;
}

async function startUnreferenced(): Promise<PostgresServer> {
  const server = await startPostgres();
  server.unref();
  return server;
}

function parentOf(pid: number): number {
  try {
    return Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // it has gone meanwhile
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
