// What a question is, and what its answers look like.

export interface Setting {
  /** How often what is measured is repeated. */
  readonly runs: number;
  /** Whether this is the short form: a tenth of the work will do, for only a collapse is to be seen. */
  readonly smoke: boolean;
  /** The others' lockers. */
  readonly peers: PeerModules;
  /** One line for the reader of a long measurement. */
  tell(text: string): void;
}

export interface PeerModules {
  /** The address to import, of bench/peers/NAME.mjs as it is installed; throws a NoPeersError when none is. */
  module(name: string): string;
}

export class NoPeersError extends Error {}

/** The samples of one variant of a question. */
export interface Series {
  readonly label: string;
  /**
   * Whose they are: "pulselock", "bare" (the least that a lock can cost), or the name of a peer's module. Series of one
   * label stand side by side in a row of a table.
   */
  readonly locker?: string;
  /** As it is printed: "ms", "cycles/s", "×". */
  readonly unit: string;
  readonly samples: readonly number[];
  readonly bound?: Bound;
}

/** "p50": that of the samples. "every": no sample may break it. */
export type Bound = { readonly of: "p50" | "every" } & ({ readonly atMost: number } | { readonly atLeast: number });

export interface Answer {
  readonly series: readonly Series[];
  /** What a reader has to know to judge the numbers. */
  readonly notes?: readonly string[];
  /** What of it is drawn in results/chart.svg. */
  readonly charts?: readonly Chart[];
}

/** A bar for each locker that has a series of this label: its p50. */
export interface Chart {
  readonly title: string;
  /** That of the series. */
  readonly series: string;
  readonly better: "more" | "less";
  /** Where the longest bar is hundreds of times the shortest. */
  readonly scale?: "log";
}

export interface Question {
  /** As in `npm run bench -- NAME`, and the name of its file and of its results. */
  readonly name: string;
  readonly asks: string;
  /** How many, unless told otherwise: such that all questions together take under ten minutes. */
  readonly runs: number;
  /** How many in the smoke; a question without is not part of it. */
  readonly smokeRuns?: number;
  /** It waits more than it works, and none of its times is a fine one: such questions run side by side. */
  readonly waits?: true;
  ask(setting: Setting): Promise<Answer>;
}

const tellEveryMs = 5_000;

/** 0 to runs - 1; the reader is told where it is, now and then. */
export function* rounds({ runs, tell }: Pick<Setting, "runs" | "tell">): Generator<number> {
  let toldMs = -Infinity;
  for (let round = 0; round < runs; round++) {
    if (performance.now() - toldMs >= tellEveryMs) {
      tell(`round ${round + 1} of ${runs}`);
      toldMs = performance.now();
    }
    yield round;
  }
}

export interface Summary {
  readonly count: number;
  readonly p50: number;
  /** Of fewer than a hundred samples it would be the largest one under another name. */
  readonly p99?: number;
  readonly min: number;
  readonly max: number;
}

const samplesForP99 = 100;

export function summarise(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((left, right) => left - right);
  const count = sorted.length;
  const p99 = count < samplesForP99 ? {} : { p99: rank(sorted, 0.99) };
  return { count, p50: rank(sorted, 0.5), ...p99, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}

export function median(samples: readonly number[]): number {
  return summarise(samples).p50;
}

/** Ours ÷ theirs, round by round: what disturbed a round disturbed both. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((each, round) => each / (theirs[round] ?? NaN));
}

/** Undefined when nothing was promised. An empty series keeps no promise, nor does one with a figure that is none. */
export function isWithinBound({ samples, bound }: Series): boolean | undefined {
  if (bound === undefined) return undefined;
  const judged = bound.of === "p50" ? [median(samples)] : samples;
  const holds = (value: number): boolean => ("atMost" in bound ? value <= bound.atMost : value >= bound.atLeast);
  return samples.length > 0 && !samples.some(Number.isNaN) && judged.every(holds);
}

/** Nearest rank: a value that was measured, never one between two. */
function rank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}
