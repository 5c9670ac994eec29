// Worlds that once showed a bug, made as small as they go. Each stays, so that the bug does.

import type { Scenario } from "../history/scenario.js";

export const regressions: readonly { readonly bug: string; readonly scenario: Scenario }[] = [
  {
    bug: "a session that missed an era between two restarts came back with its lease",
    scenario: {
      ...{ processes: 3, keys: 1, durationMs: 3_200, seed: 14 },
      faults: [
        { atMs: 600, kind: "restart", target: "store", durationMs: 30, value: 0.5 },
        { atMs: 610, kind: "hold-both", target: "holder", durationMs: 2_150, value: 0.9 },
        { atMs: 2_400, kind: "restart", target: "store", durationMs: 30, value: 0.5 },
      ],
    },
  },
];
