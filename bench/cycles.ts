// Acquire and release, beside the least that a lock can cost: SET NX PX with a token, and a compare-and-delete.

import { randomUUID } from "node:crypto";
import { Locker } from "../src/index.js";
import { median, type Answer, type Question, type Setting } from "./support/question.js";
import { nowMs, openBed, type Bed } from "./support/bed.js";

const cyclesAlone = 300;
const lanes = 256;
const cyclesPerLane = 20;
const warmUpRounds = 3;

export const cycles: Question = {
  name: "cycles",
  asks: "uncontended acquire and release, beside bare SET NX PX and compare-and-delete on one connection",
  runs: 20,
  smokeRuns: 3,
  ask: measure,
};

type Cycle = (key: string) => Promise<void>;
type Pair = { ours: number; bare: number };

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using locker = new Locker({ database: bed.url });
  const [ours, bare] = [ourCycle(locker), bareCycle(bed)];
  const alone: Pair[] = [];
  const together: Pair[] = [];
  for (let round = 0; round < warmUpRounds + runs; round++) {
    const pairs = [await inTurns(round, ours, bare, medianUs), await inTurns(round, ours, bare, perSecond)] as const;
    if (round < warmUpRounds) continue;
    alone.push(pairs[0]);
    together.push(pairs[1]);
  }
  const ratios = (pairs: Pair[]): number[] => pairs.map((pair) => pair.ours / pair.bare);
  const rates = [median(together.map((pair) => pair.ours)), median(together.map((pair) => pair.bare))];
  return {
    series: [
      { label: "one at a time, time ÷ bare", unit: "×", samples: ratios(alone) },
      { label: "… ours", unit: "µs", samples: alone.map((pair) => pair.ours) },
      { label: "… bare", unit: "µs", samples: alone.map((pair) => pair.bare) },
      { label: `${lanes} at once, throughput ÷ bare`, unit: "×", samples: ratios(together) },
    ],
    notes: [
      `a sample: the p50 of ${cyclesAlone} cycles, or the throughput of ${lanes * cyclesPerLane}`,
      `at once, cycles a second: ours ${rates[0]?.toFixed(0)}, bare ${rates[1]?.toFixed(0)}`,
    ],
  };
}

/** Each goes first every other round: what disturbs the machine disturbs both. */
async function inTurns(
  round: number,
  ours: Cycle,
  bare: Cycle,
  time: (cycle: Cycle) => Promise<number>,
): Promise<Pair> {
  if (round % 2 === 0) return { ours: await time(ours), bare: await time(bare) };
  const bareFirst = await time(bare);
  return { ours: await time(ours), bare: bareFirst };
}

async function medianUs(cycle: Cycle): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < cyclesAlone; i++) {
    const startedMs = nowMs();
    await cycle("alone");
    took.push((nowMs() - startedMs) * 1_000);
  }
  return median(took);
}

async function perSecond(cycle: Cycle): Promise<number> {
  const startedMs = nowMs();
  const lane = async (index: number): Promise<void> => {
    for (let i = 0; i < cyclesPerLane; i++) await cycle(`lane-${index}`);
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
  return (lanes * cyclesPerLane * 1_000) / (nowMs() - startedMs);
}

function ourCycle(locker: Locker): Cycle {
  return async (key) => {
    const result = await locker.acquire(key);
    if (!("lease" in result)) throw new Error(`${key} is held`);
    await result.lease.release();
  };
}

const compareAndDelete = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`;

function bareCycle({ client }: Bed): Cycle {
  client.defineCommand("compareAndDelete", { numberOfKeys: 1, lua: compareAndDelete });
  const { compareAndDelete: release } = client as unknown as { compareAndDelete: Release };
  return async (key) => {
    const [name, token] = [`bare:${key}`, randomUUID()];
    if ((await client.set(name, token, "PX", 300_000, "NX")) !== "OK") throw new Error(`${key} is held`);
    await release.call(client, name, token);
  };
}

type Release = (name: string, token: string) => Promise<number>;
