// A thousand waiters of one key in one process, and a single one in another, which must not be forgotten over them.

import { contestQuestion } from "./support/contest-question.js";
import { spread, type Contest, type Run } from "./support/contest.js";
import type { Summary } from "./support/question.js";

/** The default of localHandOffs.ms: for how long a process may serve its own before others get their turn. */
const boundMs = 50;

const contest: Contest = {
  name: "local-hand-offs",
  processes: [
    { waiters: 1_000, holdMs: 0, thinkMsMax: 0, keepsEach: false },
    { waiters: 1, holdMs: 0, thinkMsMax: 0, keepsEach: true },
  ],
  figures: [
    { label: "hand-offs", unit: "/s", of: (run) => run.rates[0] ?? NaN, bound: { of: "every", atLeast: 50_000 } },
    { label: "the other's turns", unit: "/s", of: (run) => run.rates[1] ?? NaN },
    { label: "the other's wait p50", unit: "ms", of: (run) => waits(run).p50 },
    { label: "the other's wait p99", unit: "ms", of: (run) => waits(run).p99, bound: { of: "every", atMost: boundMs } },
    { label: "commands a hand-off", unit: "", of: (run) => run.commands },
    { label: "overlaps", unit: "", of: (run) => run.overlapsInside, bound: { of: "every", atMost: 0 } },
  ],
};

export const localHandOffs = contestQuestion(contest, {
  asks: "1,000 waiters of one key in one process and one in another, nothing held for any time",
  runs: 2,
});

function waits(run: Run): Required<Summary> {
  return spread((run.sections[1] ?? []).map(({ askedMs, grantedMs }) => grantedMs - askedMs));
}
