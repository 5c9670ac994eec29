// The end of a run: how long each question took, and every bound that was missed.

import type { Asked, Wanted } from "./runner.js";

export function summary(asked: readonly Asked[], { out }: Pick<Wanted, "out">): { lines: string[]; isGood: boolean } {
  const width = Math.max(...asked.map(({ name }) => name.length));
  const durations = asked.map(({ name, seconds, kept, troubles }) => {
    const verdict = troubles.length > 0 ? `✖ ${troubles.length} missed` : "";
    return `    ${name.padEnd(width)}   ${String(seconds).padStart(4)} s   ${kept} bounds kept   ${verdict}`.trimEnd();
  });
  const troubles = asked.flatMap(({ name, troubles: own }) => own.map((trouble) => `✖ ${name}: ${trouble}`));
  const kept = out === undefined ? [] : [`• kept in ${out}`];
  const isGood = troubles.length === 0;
  return {
    lines: ["• durations", ...durations, ...kept, ...troubles, ...(isGood ? ["✔ all bounds kept"] : [])],
    isGood,
  };
}
