// A crowd on one key: how fast it is handed on, how evenly, and at what cost.

import { contestQuestion } from "./support/contest-question.js";
import { countOverlaps, inOrder, spread, sum, type Contest, type Run } from "./support/contest.js";
import type { Summary } from "./support/question.js";

/** Who waits longest is who waits for the machine. */
const quiet = true;
const tenWaiters = { waiters: 10, holdMs: 1, thinkMsMax: 0, keepsEach: true };

const contest: Contest = {
  name: "hand-offs",
  processes: [tenWaiters, tenWaiters],
  figures: [
    { label: "hand-offs", unit: "/s", of: (run) => sum(run.rates), beatsOthers: true },
    { label: "wait p50", unit: "ms", of: (run) => waits(run).p50 },
    { label: "wait p99", unit: "ms", of: (run) => waits(run).p99 },
    { label: "wait p99 ÷ p50", unit: "×", of: (run) => waits(run).p99 / waits(run).p50, bound: every(2), quiet },
    { label: "wait max ÷ p50", unit: "×", of: (run) => waits(run).max / waits(run).p50, bound: every(3), quiet },
    { label: "commands a hand-off", unit: "", of: (run) => run.commands, bound: every(3) },
    { label: "overlaps", unit: "", of: countOverlaps, bound: every(0) },
  ],
};

export const handOffs = contestQuestion(contest, {
  asks: "2 processes × 10 waiters of one key, 1 ms hold",
  runs: 2,
  smokeRuns: 3,
});

function waits(run: Run): Required<Summary> {
  return spread(inOrder(run).map(({ askedMs, grantedMs }) => grantedMs - askedMs));
}

function every(atMost: number): { of: "every"; atMost: number } {
  return { of: "every", atMost };
}
