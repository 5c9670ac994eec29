// Processes that take turns: how long a key that somebody waits for lies idle between two of them.

import { contestQuestion } from "./support/contest-question.js";
import { countOverlaps, inOrder, spread, sum, type Contest, type Run } from "./support/contest.js";

const oneWaiter = { waiters: 1, holdMs: 20, thinkMsMax: 30, keepsEach: true };

const contest: Contest = {
  name: "turns",
  processes: [oneWaiter, oneWaiter, oneWaiter, oneWaiter],
  figures: [
    { label: "turns", unit: "/s", of: (run) => sum(run.rates) },
    { label: "gap p50", unit: "ms", of: (run) => spread(gaps(run)).p50, bound: { of: "every", atMost: 0.5 } },
    { label: "gap p99", unit: "ms", of: (run) => spread(gaps(run)).p99, bound: { of: "every", atMost: 3 } },
    { label: "commands a turn", unit: "", of: (run) => run.commands },
    { label: "overlaps", unit: "", of: countOverlaps, bound: { of: "every", atMost: 0 } },
  ],
  charts: [{ title: "From the end of a job to the next one's start", series: "gap p50", better: "less" }],
};

export const turns = contestQuestion(contest, {
  asks: "4 processes taking turns: hold 20 ms, think 0 to 30 ms; the gap from the end of a job to the next one's start",
  runs: 2,
});

/** Only where somebody had been waiting since before the end. */
function gaps(run: Run): number[] {
  const sections = inOrder(run);
  return sections.flatMap(({ askedMs, grantedMs }, at) => {
    const endedMs = sections[at - 1]?.endedMs ?? -Infinity;
    return askedMs < endedMs ? [grantedMs - endedMs] : [];
  });
}
