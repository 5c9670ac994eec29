// The measuring side of locker-process.ts.

import type { LockerOptions } from "../../src/index.js";
import { spawnChild, type Child } from "../../test/support/child.js";
import { withDeadline } from "../../test/support/wait.js";
import { nowMs } from "./bed.js";

export interface Grant {
  /** When the job's function was called, monotonic ms. */
  readonly atMs: number;
  /** Why the holder before was condemned; "" when the key was free. */
  readonly takenFor: string;
}

export interface Loss {
  /** When the lease's signal aborted, monotonic ms. */
  readonly atMs: number;
  readonly code: string;
}

/** An answer that takes longer is no measurement any more but a fault, ms. */
const patienceMs = 60_000;

/** `database`: unless given, the URL. BENCH_REDIS_URL in the process's environment is that URL in any case. */
export async function openProcess(url: string, options: Partial<LockerOptions> = {}): Promise<LockerProcess> {
  const env = { BENCH_REDIS_URL: url };
  const child = await spawnChild(new URL("./locker-process.js", import.meta.url), { env });
  await child.request("open", { database: url, ...options });
  return new LockerProcess(child);
}

export class LockerProcess implements AsyncDisposable {
  readonly #child: Child;

  /** Use openProcess(). */
  constructor(child: Child) {
    this.#child = child;
  }

  /** Runs a job under the key that goes on until it is stopped; resolves once it runs. */
  hold(key: string): Promise<Grant> {
    return this.#ask("hold", key);
  }

  /** Waits for the key and, when it is granted, works for a moment. Resolves once the key was found to be held. */
  startWaiting(key: string): Promise<void> {
    return this.#ask("startWaiting", key, patienceMs);
  }

  granted(key: string): Promise<Grant> {
    return this.#ask("granted", key);
  }

  lost(key: string): Promise<Loss> {
    return this.#ask("lost", key);
  }

  holdIdle(count: number): Promise<void> {
    return this.#ask("holdIdle", count);
  }

  /** The time of a processor that it has taken with all its threads. */
  cpuMs(): Promise<number> {
    return this.#ask("cpuMs");
  }

  /** Returns when the signal was about to be sent, monotonic ms. */
  signal(signal: NodeJS.Signals): number {
    const atMs = nowMs();
    process.kill(this.#child.pid ?? 0, signal);
    return atMs;
  }

  /** Waits until the process is gone and returns when that was seen, monotonic ms. */
  async end(): Promise<number> {
    await withDeadline(this.#child.exited, patienceMs, "the end of the process");
    return nowMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }

  #ask<T>(name: string, ...args: unknown[]): Promise<T> {
    return withDeadline(this.#child.request<T>(name, ...args), patienceMs, `"${name}" of ${this.#child.pid}`);
  }
}
