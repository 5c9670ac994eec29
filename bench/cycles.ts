// Acquire and release, beside the least that a lock can cost: SET NX PX with a token, and a compare-and-delete.

import { nowMs, openBed } from "./support/bed.js";
import { Cyclists, everybody, perSecond, type Cyclist } from "./support/cyclists.js";
import { openFloor } from "./support/floor.js";
import { median, ratios, rounds, type Answer, type Question, type Series, type Setting } from "./support/question.js";

const cyclesAlone = 300;
const lanes = 256;
const cyclesPerLane = 20;
const warmUpRounds = 3;

export const cycles: Question = {
  name: "cycles",
  asks: "uncontended acquire and release: one at a time, and 256 at once on keys of their own",
  runs: 20,
  smokeRuns: 3,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using cyclists = await Cyclists.open(bed.url, setting.peers);
  const piped = { name: "bare", ...openFloor({ url: bed.url, ttlMs: 300_000, enableAutoPipelining: true }) };
  const alone = new Samples();
  const together = new Samples();
  const pipedRates: number[] = [];
  for (let round = 0; round < (setting.smoke ? 1 : warmUpRounds); round++) await play(cyclists, round);
  for (const round of rounds(setting)) {
    const played = await play(cyclists, round);
    alone.add(played.alone);
    together.add(played.together);
    pipedRates.push(await perSecond(piped, lanes, cyclesPerLane));
  }
  await piped.close();
  return answer(alone, together, pipedRates);
}

async function play(cyclists: Cyclists, round: number) {
  const alone = await cyclists.inTurns(round, medianUs);
  const together = await cyclists.inTurns(round, (cyclist) => perSecond(cyclist, lanes, cyclesPerLane));
  return { alone, together };
}

function answer(alone: Samples, together: Samples, pipedRates: readonly number[]): Answer {
  const among = (label: string, samples: readonly number[], bound?: Series["bound"]): Series => ({
    ...{ label, unit: "×", samples },
    ...(bound ? { bound } : {}),
  });
  return {
    series: [
      ...alone.series("one at a time", "µs"),
      among("one at a time ÷ bare", alone.ratios("bare"), { of: "p50", atMost: 1.1 }),
      ...together.series(`${lanes} at once`, "cycles/s"),
      among(`${lanes} at once ÷ bare`, together.ratios("bare"), { of: "p50", atLeast: 3 }),
      among(`${lanes} at once ÷ redlock`, together.ratios("redlock"), { of: "p50", atLeast: 4 }),
      among(`${lanes} at once ÷ redlock-4`, together.ratios("redlock-4")),
      among(`${lanes} at once ÷ redis-semaphore`, together.ratios("redis-semaphore")),
      among(`${lanes} at once ÷ redlock-universal`, together.ratios("redlock-universal")),
      among(`${lanes} at once ÷ bare with enableAutoPipelining`, ratios(together.of("pulselock"), pipedRates)),
    ],
    notes: [
      `a sample: the p50 of ${cyclesAlone} cycles one at a time, or the throughput of ${lanes * cyclesPerLane} at once`,
      "bare: SET NX PX with a random token and a compare-and-delete script, by ioredis as it comes; no fencing token",
    ],
    charts: [
      { title: "Acquire and release, one at a time", series: "one at a time", better: "less" },
      { title: `Acquire and release, ${lanes} at once`, series: `${lanes} at once`, better: "more" },
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
  readonly #of = new Map<string, number[]>(everybody.map((name) => [name, []]));

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
