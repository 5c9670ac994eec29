// Lockers that are asked for bare cycles: acquire and release, with nothing in between.

import { Locker } from "../../src/index.js";
import { openFloor, type Cycle } from "./floor.js";
import type { PeerModules, Setting } from "./question.js";
import { nowMs } from "./bed.js";

export type Cyclist = { readonly name: string; readonly cycle: Cycle; close(): Promise<unknown> };
export type CyclistName = (typeof everybody)[number];

/** The floor first: what it costs is what everything else is compared with. */
export const everybody = ["bare", "pulselock", "redlock", "redlock-4", "redis-semaphore", "redlock-universal"] as const;

/** Of a smoke, which has half a minute for all questions. */
const few: readonly CyclistName[] = ["bare", "pulselock", "redlock"];

/** As long as our default, so that nobody extends anything meanwhile. */
const ttlMs = 300_000;
const retryMs = 100;

export class Cyclists implements AsyncDisposable {
  readonly all: readonly Cyclist[];

  private constructor(all: readonly Cyclist[]) {
    this.all = all;
  }

  /** One connection each (ours two: its worker pings on the other). Keys are their own: each locker names them. */
  static async open(
    url: string,
    { peers, smoke }: Pick<Setting, "peers" | "smoke">,
    names: readonly CyclistName[] = smoke ? few : everybody,
  ): Promise<Cyclists> {
    const opening = await Promise.allSettled(names.map((name) => openCyclist(name, url, peers)));
    const cyclists = new Cyclists(opening.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
    const failed = opening.find((one) => one.status === "rejected");
    if (!failed) return cyclists;
    await cyclists[Symbol.asyncDispose](); // or what was opened would keep the process alive
    throw failed.reason;
  }

  /** In turns, another one first each round: what disturbs the machine disturbs all. */
  async inTurns<T>(round: number, measure: (cyclist: Cyclist) => Promise<T>): Promise<Map<string, T>> {
    const results = new Map<string, T>();
    for (let i = 0; i < this.all.length; i++) {
      const cyclist = this.all[(round + i) % this.all.length]!;
      results.set(cyclist.name, await measure(cyclist));
    }
    return results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((cyclist) => cyclist.close()));
  }
}

/** So many lanes at once, each with a key of its own; cycles a second. */
export async function perSecond({ name, cycle }: Cyclist, lanes: number, cyclesPerLane: number): Promise<number> {
  const startedMs = nowMs();
  const lane = async (index: number): Promise<void> => {
    for (let i = 0; i < cyclesPerLane; i++) await cycle(`${name}-${index}`);
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
  return (lanes * cyclesPerLane * 1_000) / (nowMs() - startedMs);
}

async function openCyclist(name: CyclistName, url: string, peers: PeerModules): Promise<Cyclist> {
  if (name === "bare") return { name, ...openFloor({ url, ttlMs }) };
  if (name === "pulselock") return openOurs(name, url);
  const { open } = (await import(peers.module(name))) as PeerModule;
  return { name, ...open({ url, ttlMs, retryMs }) };
}

/** First used with acquire() alone, as the cycles are: a job that is run makes every promise of a process slower. */
async function openOurs(name: string, url: string): Promise<Cyclist> {
  const locker = new Locker({ database: url });
  const cycle = async (key: string): Promise<void> => {
    const result = await locker.acquire(key);
    if (!("lease" in result)) throw new Error(`${key} is held`);
    if (!(result.lease.fencingToken > 0)) throw new Error(`${key} was granted without a fencing token`);
    await result.lease.release();
  };
  await cycle("first use");
  return { name, cycle, close: () => locker.close() };
}

type PeerModule = { open(setup: { url: string; ttlMs: number; retryMs: number }): Omit<Cyclist, "name"> };
