// A Redis of one's own for one question, and the few records in it that a question forges.

import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { systemClock } from "../../src/clock.js";
import { RedisKeys } from "../../src/databases/redis/keys.js";
import { parseLease } from "../../src/databases/redis/records.js";
import { Locker } from "../../src/index.js";
import { startRedis, type RedisServer } from "../../test/support/redis-server.js";

/** The monotonic clock that all processes of a host share, ms. */
export const nowMs = (): number => systemClock.monoMs();

/** Where the database puts its keys unless told otherwise. */
const keys = new RedisKeys("pulselock:");

export async function openBed(): Promise<Bed> {
  return new Bed(await startRedis());
}

export class Bed implements AsyncDisposable {
  readonly url: string;
  readonly client: Redis;
  readonly #server: RedisServer;

  /** Use openBed(). */
  constructor(server: RedisServer) {
    this.#server = server;
    this.url = server.url;
    this.client = server.client();
  }

  /** The first use of a namespace waits out its recovery window; what is measured comes after that. */
  async use(): Promise<void> {
    await using locker = new Locker({ database: this.url, acquireTimeoutMs: 60_000 }); // on a busy machine, too
    await locker.acquireAndRun("first use", () => {});
  }

  leaseName(key: string): string {
    return keys.lease(key);
  }

  async holderSession(key: string): Promise<string> {
    const session = await this.findHolderSession(key);
    if (session === undefined) throw new Error(`nobody holds ${key}`);
    return session;
  }

  async findHolderSession(key: string): Promise<string | undefined> {
    const raw = await this.client.get(keys.lease(key));
    return raw === null ? undefined : parseLease(key, raw).sessionId;
  }

  /** From now on it looks like a process of another host: nobody can ask the kernel whether it lives. */
  async moveToAnotherHost(sessionId: string): Promise<void> {
    await this.#overwrite(sessionId, "bootId", "another host");
  }

  /** As if its last ping were that long ago. The next one tells the truth again. */
  async silence(sessionId: string, ms: number): Promise<void> {
    const [seconds] = await this.client.time();
    await this.#overwrite(sessionId, "last", String(Number(seconds) * 1_000 - ms));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #overwrite(sessionId: string, field: string, value: string): Promise<void> {
    const added = await this.client.hset(keys.session(sessionId), field, value);
    if (added !== 0) throw new Error(`session ${sessionId} has no ${field}: the record's format has changed`);
  }
}

/** The time of a processor that its Redis has taken since it started. */
export async function redisCpuMs({ client }: Bed): Promise<number> {
  const info = await client.info("cpu");
  const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? NaN);
  return (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1_000;
}

/** Pauses for the share of `ms` that is this run's: over all runs every moment between two pings is hit alike. */
export async function waitForPhase(run: number, runs: number, ms: number): Promise<void> {
  await delay(((run + 0.5) / runs) * ms);
}
