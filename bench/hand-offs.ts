// A crowd on one key: how fast it is handed on, how evenly, and at what cost.

import { countOverlaps, inOrder, spread, sum, type Contest } from "./support/contest.js";

const tenWaiters = { waiters: 10, holdMs: 1, thinkMsMax: 0, keepsEach: true };

export const handOffs: Contest = {
  name: "hand-offs",
  asks: "2 processes × 10 waiters of one key, 1 ms hold",
  processes: [tenWaiters, tenWaiters],
  figures: (run) => {
    const waits = spread(
      inOrder(run).map(({ askedMs, grantedMs }) => grantedMs - askedMs),
      "wait",
    );
    return {
      "hand-offs/s": sum(run.rates),
      ...waits,
      "p99 ÷ p50": waits["wait p99 ms"]! / waits["wait p50 ms"]!,
      "max ÷ p50": waits["wait max ms"]! / waits["wait p50 ms"]!,
      "commands each": run.commands,
      overlaps: countOverlaps(run),
    };
  },
  bounds: [
    {
      what: "hand-offs/s ≥ theirs",
      holds: (ours, others) => others.every((theirs) => ours["hand-offs/s"]! >= theirs["hand-offs/s"]!),
    },
    { what: "wait p99 ≤ 2 × p50", holds: (ours) => ours["p99 ÷ p50"]! <= 2 },
    { what: "wait max ≤ 3 × p50", holds: (ours) => ours["max ÷ p50"]! <= 3 },
    { what: "≤ 3 commands a hand-off", holds: (ours) => ours["commands each"]! <= 3 },
    { what: "no overlaps", holds: (ours) => ours["overlaps"] === 0 },
  ],
};
