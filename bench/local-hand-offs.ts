// A thousand waiters of one key in one process, and a single one in another, which must not be forgotten over them.

import { spread, type Contest } from "./support/contest.js";

/** The default of localHandOffs.ms: for how long a process may serve its own before others get their turn. */
const boundMs = 50;

export const localHandOffs: Contest = {
  name: "local-hand-offs",
  asks: "1,000 waiters of one key in one process and one in another, nothing held for any time",
  processes: [
    { waiters: 1_000, holdMs: 0, thinkMsMax: 0, keepsEach: false },
    { waiters: 1, holdMs: 0, thinkMsMax: 0, keepsEach: true },
  ],
  figures: (run) => ({
    "hand-offs/s": run.rates[0] ?? NaN,
    "the other's turns/s": run.rates[1] ?? NaN,
    ...spread(
      (run.sections[1] ?? []).map(({ askedMs, grantedMs }) => grantedMs - askedMs),
      "the other's wait",
    ),
    "commands each": run.commands,
    overlaps: run.overlapsInside,
  }),
  bounds: [
    { what: "≥ 50,000 hand-offs/s", holds: (ours) => ours["hand-offs/s"]! >= 50_000 },
    { what: `the other's wait p99 ≤ ${boundMs} ms`, holds: (ours) => ours["the other's wait p99 ms"]! <= boundMs },
    { what: "no overlaps", holds: (ours) => ours["overlaps"] === 0 },
  ],
};
