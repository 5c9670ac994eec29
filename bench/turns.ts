// Processes that take turns: how long a key that somebody waits for lies idle between two of them.

import { countOverlaps, inOrder, spread, sum, type Contest, type Run } from "./support/contest.js";

const oneWaiter = { waiters: 1, holdMs: 20, thinkMsMax: 30, keepsEach: true };

export const turns: Contest = {
  name: "turns",
  asks: "4 processes taking turns: hold 20 ms, think 0 to 30 ms; the gap from the end of a job to the next one's start",
  processes: [oneWaiter, oneWaiter, oneWaiter, oneWaiter],
  figures: (run) => ({
    "turns/s": sum(run.rates),
    ...spread(gaps(run), "gap"),
    "commands each": run.commands,
    overlaps: countOverlaps(run),
  }),
  bounds: [
    { what: "gap p50 ≤ 0.5 ms", holds: (ours) => ours["gap p50 ms"]! <= 0.5 },
    { what: "gap p99 ≤ 3 ms", holds: (ours) => ours["gap p99 ms"]! <= 3 },
    { what: "no overlaps", holds: (ours) => ours["overlaps"] === 0 },
  ],
};

/** Only where somebody had been waiting since before the end. */
function gaps(run: Run): number[] {
  const sections = inOrder(run);
  return sections.flatMap(({ askedMs, grantedMs }, at) => {
    const endedMs = sections[at - 1]?.endedMs ?? -Infinity;
    return askedMs < endedMs ? [grantedMs - endedMs] : [];
  });
}
