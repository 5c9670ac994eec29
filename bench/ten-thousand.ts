// As many cycles at once as no application should have: nothing may collapse, and the memory is to come back.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { nowMs, openBed } from "./support/bed.js";
import { Cyclists, perSecond, type Cyclist } from "./support/cyclists.js";
import { ratios, rounds, summarise, type Answer, type Question, type Setting } from "./support/question.js";

const many = 10_000;
const few = 256;
/** As many cycles as the many make. */
const cyclesOfFew = Math.ceil(many / few);
const warmUpRounds = 3;
const megabyte = 1024 * 1024;
/** What V8 and the allocator may keep for the next time. */
const leftMost = 8;

export const tenThousand: Question = {
  name: "ten-thousand",
  asks: "10,000 cycles at once on keys of their own, beside 256 at once",
  runs: 12,
  smokeRuns: 2,
  ask: measure,
};

type Crowd = { perSecond: number; p99Ms: number; heapMb: number; rssMb: number };

async function measure(setting: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using cyclists = await Cyclists.open(bed.url, setting, ["pulselock", "bare"]);
  const [ours, bare] = cyclists.all as [Cyclist, Cyclist];
  for (let round = 0; round < (setting.smoke ? 1 : warmUpRounds); round++) await playRound(ours, bare, round);
  collect();
  const before = memoryMb();
  const played: Awaited<ReturnType<typeof playRound>>[] = [];
  for (const round of rounds(setting)) played.push(await playRound(ours, bare, round));
  collect();
  const after = memoryMb();
  const of = (pick: (round: (typeof played)[number]) => number): number[] => played.map(pick);
  const rates = of(({ crowd }) => crowd.perSecond);
  return {
    series: [
      {
        label: `${many} ÷ ${few} at once`,
        unit: "×",
        samples: ratios(
          rates,
          of((one) => one.few),
        ),
        bound: { of: "p50", atLeast: setting.smoke ? 0.4 : 0.8 },
      },
      { label: `${many} at once`, locker: ours.name, unit: "cycles/s", samples: rates },
      { label: `${many} at once`, locker: bare.name, unit: "cycles/s", samples: of((one) => one.bare.perSecond) },
      { label: "p99 of a cycle", locker: ours.name, unit: "ms", samples: of(({ crowd }) => crowd.p99Ms) },
      { label: "p99 of a cycle", locker: bare.name, unit: "ms", samples: of((one) => one.bare.p99Ms) },
      {
        label: "heapUsed, growth at its peak",
        locker: ours.name,
        unit: "MB",
        samples: of(({ crowd }) => crowd.heapMb),
      },
      { label: "heapUsed, growth at its peak", locker: bare.name, unit: "MB", samples: of((one) => one.bare.heapMb) },
      { label: "rss, growth at its peak", locker: ours.name, unit: "MB", samples: of(({ crowd }) => crowd.rssMb) },
      { label: "rss, growth at its peak", locker: bare.name, unit: "MB", samples: of((one) => one.bare.rssMb) },
      {
        label: "heapUsed left by all rounds",
        unit: "MB",
        samples: [after.heap - before.heap],
        bound: { of: "every", atMost: leftMost },
      },
      { label: "rss left by all rounds", unit: "MB", samples: [after.rss - before.rss] },
    ],
    notes: [
      "growth: over what was there after a collection, when all have asked and every 10 ms after that",
      "rss falls when the allocator gives pages back; that it does not grow from round to round is the point",
    ],
  };
}

/** Who comes first changes from round to round. */
async function playRound(ours: Cyclist, bare: Cyclist, round: number) {
  const steps = {
    few: () => perSecond(ours, few, cyclesOfFew),
    crowd: () => playCrowd(ours),
    bare: () => playCrowd(bare),
  };
  const names = ["few", "crowd", "bare"] as const;
  const results: Partial<{ few: number; crowd: Crowd; bare: Crowd }> = {};
  for (let i = 0; i < names.length; i++) {
    const name = names[(round + i) % names.length]!;
    Object.assign(results, { [name]: await steps[name]() });
  }
  return results as { few: number; crowd: Crowd; bare: Crowd };
}

async function playCrowd({ name, cycle }: Cyclist): Promise<Crowd> {
  collect();
  const before = memoryMb();
  const most = { ...before };
  const look = (): void => {
    const now = memoryMb();
    most.heap = Math.max(most.heap, now.heap);
    most.rss = Math.max(most.rss, now.rss);
  };
  const looks = setInterval(look, 10);
  const took: number[] = [];
  const startedMs = nowMs();
  const one = async (_: unknown, index: number): Promise<void> => {
    await cycle(`${name}-${index}`);
    took.push(nowMs() - startedMs);
  };
  const all = Promise.all(Array.from({ length: many }, one));
  look();
  await all;
  const tookMs = nowMs() - startedMs;
  look();
  clearInterval(looks);
  const p99Ms = summarise(took).p99!;
  return { perSecond: (many * 1_000) / tookMs, p99Ms, heapMb: most.heap - before.heap, rssMb: most.rss - before.rss };
}

function memoryMb(): { heap: number; rss: number } {
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / megabyte, rss: rss / megabyte };
}

let collector: (() => void) | undefined;

/** Collects all that is garbage. The flag counts for contexts that are made later. */
function collect(): void {
  if (!collector) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void;
  }
  collector();
}
