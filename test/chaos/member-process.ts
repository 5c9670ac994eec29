// One place in the fleet, as the harness sees it: its proxy, its clock, and the process that sits there just now.

import { spawnChild, type Child } from "../support/child.js";
import { withDeadline } from "../support/wait.js";
import type { SteppedClock } from "./clock-shim.js";
import { nowMs } from "./journal.js";
import { descriptionVariable, orderMsMax, type MemberSetup, type WorkerOrder } from "./member-protocol.js";

export type PlaceDeps = {
  readonly name: string;
  readonly clock: SteppedClock | undefined;
  /** For the environment of the process: how to reach the store. */
  readonly database: unknown;
  readonly setup: Omit<MemberSetup, "name" | "seed">;
  readonly seed: number;
  /** A process was started there or killed. */
  onChange(process: string, kind: "started" | "killed", pid: number): void;
};

export class Place {
  readonly name: string;
  readonly #deps: PlaceDeps;
  #child: Child | undefined;
  #runs = 0;
  #spawning: Promise<void> | undefined;
  #isCalm = false;
  /** What processes that ended by themselves said last. */
  readonly deaths: string[] = [];

  constructor(deps: PlaceDeps) {
    this.name = deps.name;
    this.#deps = deps;
  }

  /** The run of a process that sits here, as the history names it. */
  get process(): string {
    return `${this.name}.${this.#runs}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Puts a process here, unless one is here or on its way. */
  start(): Promise<void> {
    this.#spawning ??= this.#start().finally(() => (this.#spawning = undefined));
    return this.#spawning;
  }

  async #start(): Promise<void> {
    if (this.#child) return;
    const { clock, database, setup, seed } = this.#deps;
    this.#runs += 1;
    const name = this.process;
    const env = { ...clock?.env, [descriptionVariable]: JSON.stringify(database) };
    const child = await spawnChild(new URL("./member.js", import.meta.url), { env });
    void child.exited.then(({ code, signal }) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.deaths.push(`${name} ended with ${signal ?? `code ${code}`}: ${child.stderr.slice(-2_000)}`);
    });
    this.#child = child;
    this.#deps.onChange(name, "started", child.pid ?? 0);
    await child.request("open", { ...setup, name, seed: seed + this.#runs });
    if (this.#isCalm) await child.request("calm");
  }

  freeze(): Promise<void> {
    return this.#alive().kill("SIGSTOP");
  }

  async thaw(): Promise<void> {
    await this.#child?.kill("SIGCONT");
  }

  async kill(): Promise<void> {
    const child = this.#alive();
    this.#child = undefined;
    this.#deps.onChange(this.process, "killed", child.pid ?? 0);
    await child.kill("SIGKILL");
  }

  /** Resolves when the event loop runs again. Rejects when the process ends before that, or did not obey. */
  async block(forMs: number): Promise<void> {
    await this.#alive().request("block", forMs, nowMs());
  }

  /** Resolves when the main thread has passed the order on, rejects when it could not at once. */
  async order(order: WorkerOrder): Promise<void> {
    await withDeadline(this.#alive().request("worker", order, nowMs()), 4 * orderMsMax, "the order to the worker");
  }

  async calm(): Promise<void> {
    this.#isCalm = true;
    await this.#child?.request("calm");
  }

  /** Ends the jobs in good order. */
  async rest(deadlineMs: number): Promise<void> {
    await withDeadline(this.#alive().request("rest"), deadlineMs, `${this.process}: the end of its jobs`);
  }

  /** Takes the key and keeps it. Resolves with the time of the grant. */
  take(key: string, waitMs: number): Promise<number> {
    return this.#alive().request("take", key, waitMs);
  }

  /** Ends the jobs and the locker in good order; the process then has to end by itself. Both have a deadline. */
  async close(deadlineMs: number): Promise<void> {
    const child = this.#alive();
    await withDeadline(child.request("close"), deadlineMs, `${this.process}: close()`);
    this.#child = undefined;
    child.disconnect();
    try {
      await withDeadline(child.exited, deadlineMs, `${this.process}: the end of the process after close()`);
    } finally {
      await child[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spawning?.catch(() => undefined);
    const child = this.#child;
    this.#child = undefined;
    await child?.[Symbol.asyncDispose]();
  }

  #alive(): Child {
    if (!this.#child) throw new Error(`${this.name} has no process just now`);
    return this.#child;
  }
}
