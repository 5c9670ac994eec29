// The rounds of a contest as a table for a reader: medians, their spread, and ours beside each of the others.

import type { Contest, Figures } from "./contest.js";
import { median } from "./question.js";

export type Round = {
  /** Of the machine, as the round began. */
  readonly load: number;
  /** By locker. */
  readonly figures: Readonly<Record<string, Figures>>;
};

/** Ours first. A ratio is the median of those of the rounds, so that what disturbed a round disturbed both sides. */
export function table(rounds: readonly Round[], names: readonly string[]): string[] {
  const [ours = "", ...peers] = names;
  const figures = Object.keys(rounds[0]?.figures[ours] ?? {});
  const head = ["", ...names, ...peers.map((peer) => `÷ ${peer}`)];
  const rows = figures.map((figure) => {
    const samples = (name: string): number[] => rounds.map((round) => round.figures[name]?.[figure] ?? NaN);
    const ratios = peers.map((peer) => {
      const theirs = samples(peer);
      return median(samples(ours).map((each, at) => each / (theirs[at] ?? NaN)));
    });
    return [figure, ...names.map((name) => showAll(samples(name))), ...ratios.map((ratio) => `${show(ratio)} ×`)];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

/** The bounds that were missed, and in how many rounds. */
export function missed(contest: Contest, rounds: readonly Round[], ours: string): string[] {
  return contest.bounds.flatMap(({ what, holds }) => {
    const bad = rounds.filter(({ figures }) => {
      const others = Object.keys(figures).filter((name) => name !== ours);
      return !holds(
        figures[ours]!,
        others.map((name) => figures[name]!),
      );
    });
    return bad.length === 0 ? [] : [`missed "${what}" in ${bad.length} of ${rounds.length} runs`];
  });
}

function showAll(samples: readonly number[]): string {
  const range = `${show(Math.min(...samples))} to ${show(Math.max(...samples))}`;
  return samples.length === 1 ? show(samples[0] ?? NaN) : `${show(median(samples))} (${range})`;
}

/** Three digits that mean something. */
function show(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
