// Where the time of a cycle goes: V8's sampling profiler in this process, and the server's own count of its commands.

import { Session, type Profiler } from "node:inspector/promises";
import type { Redis } from "ioredis";
import { openBed } from "./support/bed.js";
import { Cyclists, perSecond, type Cyclist, type CyclistName } from "./support/cyclists.js";
import { rounds, type Answer, type Question, type Series, type Setting } from "./support/question.js";

const names = ["bare", "pulselock"] as const satisfies readonly CyclistName[];
/** What the server is asked for by name. What a script calls within is part of the script. */
const commands: Record<string, readonly string[]> = { bare: ["set", "evalsha"], pulselock: ["evalsha"] };
const everyUs = 100;
const warmUpRounds = 3;
const spans = { "one at a time": { lanes: 1, cycles: 3_000 }, "256 at once": { lanes: 256, cycles: 30 } };
const parts = ["pulselock", "ioredis", "Node", "garbage collection", "the bench"] as const;
const inRedis = "Redis, its commands";

export const profile: Question = {
  name: "profile",
  asks: "self time a cycle by part, one at a time and 256 at once",
  runs: 5,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using cyclists = await Cyclists.open(bed.url, setting, names);
  const samples = new Map<string, Map<string, number[]>>();
  const play = (round: number, span: keyof typeof spans): Promise<Map<string, Map<string, number>>> =>
    cyclists.inTurns(round, (cyclist) => selfUs(cyclist, spans[span], bed.client));
  for (let round = 0; round < warmUpRounds; round++) await play(round, "256 at once");
  for (const round of rounds(setting)) {
    for (const span of Object.keys(spans) as (keyof typeof spans)[]) {
      for (const [locker, us] of await play(round, span)) note(samples, span, locker, us);
    }
  }
  return {
    series: [...samples].flatMap(([label, lockers]) =>
      [...lockers].map(([locker, each]): Series => ({ label, locker, unit: "µs a cycle", samples: each })),
    ),
    notes: [
      "self time: samples of V8's profiler, which slows down what it looks at, mostly by its own message at the end",
      "Node: its JavaScript and what V8 and the system do for it, promises and the write to the socket among it",
    ],
  };
}

function note(
  samples: Map<string, Map<string, number[]>>,
  span: string,
  locker: string,
  us: ReadonlyMap<string, number>,
): void {
  for (const [part, each] of us) {
    const label = `${span}: ${part}`;
    const lockers = samples.get(label) ?? new Map<string, number[]>();
    samples.set(label, lockers);
    lockers.set(locker, [...(lockers.get(locker) ?? []), each]);
  }
}

/** By part, µs a cycle. */
async function selfUs(
  cyclist: Cyclist,
  { lanes, cycles }: { lanes: number; cycles: number },
  redis: Redis,
): Promise<Map<string, number>> {
  const session = new Session();
  session.connect();
  await redis.config("RESETSTAT");
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: everyUs });
  await session.post("Profiler.start");
  await perSecond(cyclist, lanes, cycles);
  const { profile: taken } = await session.post("Profiler.stop");
  session.disconnect();
  const us = new Map<string, number>(parts.map((part) => [part, 0]));
  const partOfNode = new Map(taken.nodes.map((node) => [node.id, partOf(node.callFrame)]));
  taken.samples?.forEach((id, i) => {
    const part = partOfNode.get(id);
    if (part) us.set(part, us.get(part)! + taken.timeDeltas![i]!);
  });
  us.set(inRedis, await usOf(redis, commands[cyclist.name]!));
  return new Map([...us].map(([part, all]) => [part, all / (lanes * cycles)]));
}

/** Undefined: nobody's, the thread has nothing to do. */
function partOf({ url, functionName }: Profiler.ProfileNode["callFrame"]): (typeof parts)[number] | undefined {
  if (functionName === "(idle)") return undefined;
  if (functionName === "(garbage collector)") return "garbage collection";
  if (url.includes("/node_modules/")) return "ioredis";
  if (url.includes("/dist/src/")) return "pulselock";
  return url.includes("/dist/") ? "the bench" : "Node";
}

async function usOf(redis: Redis, wanted: readonly string[]): Promise<number> {
  const info = await redis.info("commandstats");
  const usec = wanted.map((name) => Number(new RegExp(`^cmdstat_${name}:.*?usec=(\\d+)`, "m").exec(info)?.[1] ?? 0));
  return usec.reduce((sum, each) => sum + each, 0);
}
