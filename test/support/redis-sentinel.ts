// One sentinel: a process with a file of its own, in which it keeps what it knows.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.js";
import { guardProcess } from "./process-guard.js";
import { exchange } from "./raw-redis.js";
import { waitUntil, withDeadline } from "./wait.js";

const deadlineMs = 30_000;
/** How long a master may be silent before a sentinel takes it for down, ms. */
export const DOWN_MS = 700;

/** Settings that only a running sentinel takes, ms. A restarted master goes on for four of the first as one. */
const brisk = ["publish-period", "250", "info-period", "250", "tilt-period", "1000"];

export class Sentinel implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  readonly #isBrisk: boolean;
  #running: { child: ChildProcess; gone: Promise<void> } | undefined;

  private constructor(port: number, directory: string, isBrisk: boolean) {
    this.port = port;
    this.#directory = directory;
    this.#isBrisk = isBrisk;
  }

  /** Watches the master of that name. Resolves once it answers. */
  static async start(name: string, masterPort: number, isBrisk = false): Promise<Sentinel> {
    const directory = await mkdtemp(join(tmpdir(), "pulselock-sentinel-"));
    const port = await freePort();
    const lines = [
      ...[`port ${port}`, "bind 127.0.0.1", `dir ${directory}`, "logfile sentinel.log"],
      ...[`sentinel monitor ${name} 127.0.0.1 ${masterPort} 2`, `sentinel parallel-syncs ${name} 2`],
      ...[`sentinel down-after-milliseconds ${name} ${DOWN_MS}`, `sentinel failover-timeout ${name} 3000`],
    ];
    await writeFile(join(directory, "sentinel.conf"), `${lines.join("\n")}\n`);
    const sentinel = new Sentinel(port, directory, isBrisk);
    await sentinel.start();
    return sentinel;
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  /** Starts it again after kill(), with what its file says. */
  async start(): Promise<void> {
    if (this.#running) return;
    const child = spawn("redis-server", [join(this.#directory, "sentinel.conf"), "--sentinel"], { stdio: "ignore" });
    guardProcess(child, this.#directory);
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.#running = { child, gone };
    const answers = async (): Promise<boolean> => (await this.ask("PING")).includes("+PONG");
    await waitUntil(answers, true, { deadlineMs, what: `the sentinel on port ${this.port}` });
    if (!this.#isBrisk) return;
    const said = await this.ask("SENTINEL", "DEBUG", ...brisk);
    if (said !== "+OK") throw new Error(`the sentinel was not made brisk: ${said}`);
  }

  /** The first line of its answer. */
  async ask(...words: string[]): Promise<string> {
    const lines = await exchange(`redis://127.0.0.1:${this.port}`, [words.join(" ")], () => true);
    return lines[0]!;
  }

  async kill(): Promise<void> {
    if (!this.#running) return;
    const { child, gone } = this.#running;
    this.#running = undefined;
    child.kill("SIGKILL");
    await withDeadline(gone, deadlineMs, "the killed sentinel's exit");
  }

  /** SIGSTOP: connections stay open, nothing answers. */
  freeze(): void {
    if (!this.#running) throw new Error(`the sentinel on port ${this.port} is down`);
    this.#running.child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#running?.child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
