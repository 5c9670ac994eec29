// Acquire and release, beside the least that a lock can cost: SET NX PX with a token, and a compare-and-delete.

import { nowMs, openBed } from "./support/bed.js";
import { Cyclists, perSecond, type Cyclist } from "./support/cyclists.js";
import { openFloor } from "./support/floor.js";
import { median, ratios, rounds, type Answer, type Question, type Series, type Setting } from "./support/question.js";

const cyclesAlone = 300;
const lanes = 256;
const cyclesPerLane = 20;
const warmUpRounds = 3;
/** Until the code of all of them is compiled, as in a process that has run for a while. */
const cyclesToWarmUp = 4_000;

/** What is due, and for a smoke what there is: it is to see a collapse, and README.md says why there is no more. */
const due = {
  alone: { of: "p50", atMost: 1.1 },
  bare: { of: "p50", atLeast: 3 },
  redlock: { of: "p50", atLeast: 4 },
} as const;
const measured = {
  alone: { of: "p50", atMost: 4 },
  bare: { of: "p50", atLeast: 0.4 },
  redlock: { of: "p50", atLeast: 0.4 },
} as const;

export const cycles: Question = {
  name: "cycles",
  asks: "uncontended acquire and release: one at a time, and 256 at once on keys of their own",
  runs: 20,
  smokeRuns: 3,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using cyclists = await Cyclists.open(bed.url, setting);
  const piped = { name: "bare", ...openFloor({ url: bed.url, ttlMs: 300_000, enableAutoPipelining: true }) };
  const alone = new Samples(cyclists);
  const together = new Samples(cyclists);
  const pipedRates: number[] = [];
  if (!setting.smoke) await cyclists.inTurns(0, (cyclist) => perSecond(cyclist, 1, cyclesToWarmUp));
  for (let round = 0; round < (setting.smoke ? 1 : warmUpRounds); round++) await play(cyclists, round);
  for (const round of rounds(setting)) {
    const played = await play(cyclists, round);
    alone.add(played.alone);
    together.add(played.together);
    pipedRates.push(await perSecond(piped, lanes, cyclesPerLane));
  }
  await piped.close();
  return answer(alone, together, pipedRates, setting.smoke);
}

async function play(cyclists: Cyclists, round: number) {
  const alone = await cyclists.inTurns(round, medianUs);
  const together = await cyclists.inTurns(round, (cyclist) => perSecond(cyclist, lanes, cyclesPerLane));
  return { alone, together };
}

function answer(alone: Samples, together: Samples, pipedRates: readonly number[], smoke: boolean): Answer {
  const label = `${lanes} at once`;
  const others = together.names.filter((name) => name !== "pulselock");
  const bounds = smoke ? measured : due;
  return {
    series: [
      ...alone.series("one at a time", "µs"),
      { label: "one at a time ÷ bare", unit: "×", samples: alone.ratios("bare"), bound: bounds.alone },
      ...together.series(label, "cycles/s"),
      ...others.map((name): Series => {
        const bound = name === "bare" || name === "redlock" ? { bound: bounds[name] } : {};
        return { label: `${label} ÷ ${name}`, unit: "×", samples: together.ratios(name), ...bound };
      }),
      {
        label: `${label} ÷ bare with enableAutoPipelining`,
        unit: "×",
        samples: ratios(together.of("pulselock"), pipedRates),
      },
    ],
    notes: [
      `a sample: the p50 of ${cyclesAlone} cycles one at a time, or the throughput of ${lanes * cyclesPerLane} at once`,
      "bare: SET NX PX with a random token and a compare-and-delete script, by ioredis as it comes; no fencing token",
    ],
    charts: [
      { title: "Acquire and release, one at a time", series: "one at a time", better: "less" },
      { title: `Acquire and release, ${label}`, series: label, better: "more" },
    ],
  };
}

async function medianUs({ name, cycle }: Cyclist): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < cyclesAlone; i++) {
    const startedMs = nowMs();
    await cycle(`${name}-alone`);
    took.push((nowMs() - startedMs) * 1_000);
  }
  return median(took);
}

/** Of each locker, a sample a round. */
class Samples {
  readonly #of = new Map<string, number[]>();

  constructor({ all }: Cyclists) {
    for (const { name } of all) this.#of.set(name, []);
  }

  get names(): readonly string[] {
    return [...this.#of.keys()];
  }

  add(round: ReadonlyMap<string, number>): void {
    for (const [name, sample] of round) this.of(name).push(sample);
  }

  of(name: string): number[] {
    return this.#of.get(name)!;
  }

  /** Ours ÷ theirs. */
  ratios(theirs: string): number[] {
    return ratios(this.of("pulselock"), this.of(theirs));
  }

  series(label: string, unit: string): Series[] {
    return [...this.#of].map(([locker, samples]) => ({ label, locker, unit, samples }));
  }
}
