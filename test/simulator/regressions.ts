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
  {
    bug: "a circle of waits stood for long after the store had forgotten who waits",
    scenario: {
      ...{ processes: 3, keys: 2, durationMs: 1_889, seed: 5_100_148 },
      faults: [
        { atMs: 724, kind: "duplicates", target: "store", durationMs: 2_124, value: 0.008545867865905166 },
        { atMs: 821, kind: "restart-old", target: "store", durationMs: 1_247, value: 0.012403986183926463 },
        { atMs: 1_508, kind: "cut", target: "p1", durationMs: 24, value: 0.33253952488303185 },
      ],
    },
  },
  {
    bug: "permits were revoked by one who held the pool exclusively for a moment, so that its users were refused",
    scenario: {
      ...{ processes: 2, keys: 1, durationMs: 1_589, seed: 8_001_252 },
      faults: [
        { atMs: 1_041, kind: "stop", target: "p1", durationMs: 670, value: 0.0069935915526002645 },
        { atMs: 1_171, kind: "hold-down", target: "holder", durationMs: 880, value: 0.12775338417850435 },
        { atMs: 1_316, kind: "restart-old", target: "store", durationMs: 889, value: 0.8170420394744724 },
      ],
    },
  },
];
