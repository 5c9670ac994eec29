// The end of a run: how long each question took, and every bound that was missed.

import type { Asked } from "./runner.js";

export function summary(all: readonly Asked[]): { lines: string[]; isGood: boolean } {
  const width = Math.max(...all.map(({ name }) => name.length));
  const durations = all.map(({ name, seconds, kept, troubles, result }) => {
    const missed = troubles.length > 0 ? `, ✖ ${troubles.length}` : "";
    const verdict = result === undefined && missed === "" ? "left out" : `${kept} bounds kept${missed}`;
    return `    ${name.padEnd(width)}   ${String(seconds).padStart(4)} s   ${verdict}`;
  });
  const troubles = all.flatMap(({ name, troubles: own }) => own.map((trouble) => `✖ ${name}: ${trouble}`));
  const isGood = troubles.length === 0;
  return { lines: ["• durations", ...durations, ...(isGood ? ["✔ no bound was missed"] : troubles)], isGood };
}
