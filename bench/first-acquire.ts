// The first acquire of a process opens two connections, starts a thread and begins a session. What does that cost?

import { openBed } from "./support/bed.js";
import { tryInFreshProcess, type FirstTry, type FreshKind } from "./support/fresh-processes.js";
import { rounds, type Answer, type Question, type Series, type Setting } from "./support/question.js";

export const firstAcquire: Question = {
  name: "first-acquire",
  asks: "the first lock of a fresh process, in a namespace that was used before",
  runs: 10,
  ask: measure,
};

type Contender = { name: string; kind: FreshKind; module?: string };

async function measure(setting: Setting): Promise<Answer> {
  const { peers } = setting;
  await using bed = await openBed();
  await bed.use();
  const others = ["redlock", "redlock-4", "redis-semaphore", "redlock-universal"];
  const contenders: Contender[] = [
    { name: "pulselock", kind: "locker" },
    { name: "pulselock, warm", kind: "warm" },
    { name: "bare", kind: "bare" },
    ...others.map((name): Contender => ({ name, kind: "peer", module: peers.module(name) })),
  ];
  const tries = new Map<string, FirstTry[]>(contenders.map(({ name }) => [name, []]));
  for (const run of rounds(setting)) {
    const turned = [...contenders.slice(run % contenders.length), ...contenders.slice(0, run % contenders.length)];
    for (const { name, kind, module } of turned) {
      const tried = await tryInFreshProcess(kind, bed.url, `${name}-${run}`, module);
      if (!["SUCCESS", "OK"].includes(tried.status)) throw new Error(`${name}: ${tried.status}`);
      tries.get(name)!.push(tried);
    }
  }
  const lock = (name: string): number[] => tries.get(name)!.map((one) => one.answeredMs - one.calledMs);
  const whole = (name: string): number[] => tries.get(name)!.map((one) => one.answeredMs - one.startedMs);
  const bare = lock("bare");
  const named = ["pulselock", "bare", ...others];
  const rows = (label: string, of: (name: string) => number[]): Series[] =>
    named.map((locker) => ({ label, locker, unit: "ms", samples: of(locker) }));
  return {
    series: [
      {
        label: "acquire(), beyond a bare client's connection and SET NX",
        unit: "ms",
        samples: lock("pulselock").map((ms, run) => ms - (bare[run] ?? NaN)),
        bound: { of: "p50", atMost: 150 },
      },
      {
        ...{ label: "acquire() after warmUp()", unit: "ms", samples: lock("pulselock, warm") },
        bound: { of: "p50", atMost: 10 },
      },
      ...rows("the first lock, all loaded", lock),
      ...rows("from nothing loaded to the first lock", whole),
    ],
    notes: [
      "ours loads its client, starts its thread and begins its session in the first acquire; theirs is loaded by then",
      "the very first acquire of all in a namespace waits out the recovery window too",
    ],
  };
}
