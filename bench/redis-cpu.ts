// What cycles cost the server: its own count of CPU time, before and after.

import type { Redis } from "ioredis";
import { openBed } from "./support/bed.js";
import { Cyclists, perSecond, type CyclistName } from "./support/cyclists.js";
import { ratios, rounds, type Answer, type Question, type Setting } from "./support/question.js";

const lanes = 256;
const cyclesOfRound = 20_480;
const warmUpRounds = 1;

export const redisCpu: Question = {
  name: "redis-cpu",
  asks: "CPU time of Redis a cycle (used_cpu_user and used_cpu_sys of INFO), 256 at once on keys of their own",
  runs: 5,
  smokeRuns: 2,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using cyclists = await Cyclists.open(bed.url, setting);
  const samples = new Map<string, number[]>(cyclists.all.map(({ name }) => [name, []]));
  const cyclesPerLane = cyclesOfRound / lanes / (setting.smoke ? 10 : 1);
  const play = (round: number): Promise<Map<string, number>> =>
    cyclists.inTurns(round, async (cyclist) => {
      const before = await cpuUs(bed.client);
      await perSecond(cyclist, lanes, cyclesPerLane);
      return ((await cpuUs(bed.client)) - before) / (lanes * cyclesPerLane);
    });
  for (let round = 0; round < warmUpRounds; round++) await play(round);
  for (const round of rounds(setting)) for (const [name, us] of await play(round)) samples.get(name)!.push(us);
  const of = (name: CyclistName): number[] => samples.get(name)!;
  return {
    series: [
      ...[...samples].map(([locker, each]) => ({ label: "CPU of Redis a cycle", locker, unit: "µs", samples: each })),
      {
        label: "÷ redlock",
        unit: "×",
        samples: ratios(of("pulselock"), of("redlock")),
        bound: { of: "p50", atMost: setting.smoke ? 1.4 : 0.6 },
      },
      { label: "÷ bare", unit: "×", samples: ratios(of("pulselock"), of("bare")) },
    ],
    notes: [
      `${setting.runs} rounds of ${lanes * cyclesPerLane} cycles each: about 100,000 with the default runs`,
      "ours is with the pings of its session",
    ],
    charts: [{ title: "CPU time of Redis a cycle, 256 at once", series: "CPU of Redis a cycle", better: "less" }],
  };
}

async function cpuUs(client: Redis): Promise<number> {
  const info = await client.info("cpu");
  const read = (field: string): number => Number(new RegExp(`^${field}:([\\d.]+)`, "m").exec(info)![1]);
  return (read("used_cpu_user") + read("used_cpu_sys")) * 1e6;
}
