// What a question is, and what its answers look like.

export interface Setting {
  /** How often what is measured is repeated. */
  readonly runs: number;
  /** One line for the reader of a long measurement. */
  tell(text: string): void;
}

/** The samples of one variant of a question. */
export interface Series {
  readonly label: string;
  readonly unit: "ms" | "µs" | "ns" | "bytes" | "commands/s" | "connections" | "×";
  readonly samples: readonly number[];
  /** What no sample may exceed. */
  readonly bound?: number;
}

export interface Answer {
  readonly series: readonly Series[];
  /** What a reader has to know to judge the numbers. */
  readonly notes?: readonly string[];
}

export interface Question {
  /** As in `--only NAME`. */
  readonly name: string;
  readonly asks: string;
  ask(setting: Setting): Promise<Answer>;
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

/** Undefined when nothing was promised. An empty series keeps no promise. */
export function isWithinBound({ samples, bound }: Series): boolean | undefined {
  return bound === undefined ? undefined : summarise(samples).max <= bound;
}

/** Nearest rank: a value that was measured, never one between two. */
function rank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}
