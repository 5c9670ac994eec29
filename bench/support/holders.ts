// The measuring side of holder-process.ts: a process holds keys, and another wants each of them.

import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { spawnChild, type Child } from "../../test/support/child.js";
import { startRedis } from "../../test/support/redis-server.js";
import { nowMs } from "./bed.js";

export interface Holders {
  readonly holder: Child;
  readonly contended: readonly Contended[];
  /** Of the Redis that only these two use. */
  readonly client: Redis;
}

export interface Contended {
  readonly key: string;
  /** The moment in which the other's job starts; pending for as long as it does not. */
  readonly granted: Promise<number>;
}

/** Several, so that one kill meets as many moments of a renewal. */
export const keys = ["first", "second", "third", "fourth", "fifth"];

/** Calls `act` when every key is held and wanted. They are taken one after the other, spread over `phasesMs`. */
export async function withHolders<T>(
  module: string,
  phasesMs: number,
  act: (holders: Holders) => Promise<T>,
): Promise<T> {
  await using server = await startRedis();
  await using holder = await openProcess(module, server.url);
  await using other = await openProcess(module, server.url);
  const contended: Contended[] = [];
  for (const key of keys) {
    await holder.request("take", key);
    const granted = other.request<number>("take", key);
    granted.catch(() => undefined); // for whoever awaits it, if anybody does
    contended.push({ key, granted });
    await delay(phasesMs / keys.length);
  }
  return await act({ holder, contended, client: server.client() });
}

/** Sends the holder a signal and returns, for each key, how long after that the other's job starts, ms. */
export async function grantedAfter(signal: "SIGKILL" | "SIGTERM", { holder, contended }: Holders): Promise<number[]> {
  const sentMs = nowMs();
  void holder.kill(signal);
  return Promise.all(contended.map(async ({ granted }) => (await granted) - sentMs));
}

/** For each key when the holder is told that it is lost; undefined: not within that time. */
export function told({ holder }: Holders, withinMs: number): Promise<(number | undefined)[]> {
  return Promise.all(keys.map((key) => within(withinMs, holder.request<number>("told", key))));
}

/** Undefined: not within that time. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, delay(ms, undefined, { ref: false })]);
}

async function openProcess(module: string, url: string): Promise<Child> {
  const child = await spawnChild(new URL("./holder-process.js", import.meta.url));
  await child.request("open", module, url);
  return child;
}
