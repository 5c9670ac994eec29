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
  {
    bug: "who had been granted what it waited for, and could not say so yet, was taken for a part of a circle",
    scenario: {
      ...{ processes: 4, keys: 2, durationMs: 2_628, seed: 9_008_657 },
      faults: [
        { atMs: 494, kind: "outage", target: "store", durationMs: 997, value: 0.20529000204987824 },
        { atMs: 838, kind: "duplicates", target: "store", durationMs: 670, value: 0.7209672124590725 },
        { atMs: 1_089, kind: "stall", target: "store", durationMs: 624, value: 0.4731288431212306 },
        { atMs: 1_201, kind: "outage", target: "store", durationMs: 1_228, value: 0.18765486776828766 },
        { atMs: 1_217, kind: "stall", target: "store", durationMs: 1_070, value: 0.08646511216647923 },
        { atMs: 1_459, kind: "outage", target: "store", durationMs: 1_182, value: 0.8444220786914229 },
      ],
    },
  },
  {
    bug: "a main thread that stood still through a whole era wrote a lease again in the next one",
    scenario: {
      ...{ processes: 4, keys: 3, durationMs: 1_622, seed: 20_003_613 },
      faults: [
        { atMs: 880, kind: "block", target: "holder", durationMs: 2_632, value: 0.7908490281552076 },
        { atMs: 1_016, kind: "restart", target: "store", durationMs: 200, value: 0.1325777384918183 },
        { atMs: 1_000, kind: "restart-old", target: "store", durationMs: 2_700, value: 0.485121610108763 },
      ],
    },
  },
  {
    bug: "a revocation that was answered in a recovery window spoke of leases which the living had yet to write again",
    scenario: {
      ...{ processes: 4, keys: 2, durationMs: 1_762, seed: 20_002_319 },
      faults: [
        { atMs: 921, kind: "restart", target: "store", durationMs: 1_316, value: 0.5279913665726781 },
        { atMs: 1_042, kind: "restart", target: "store", durationMs: 2_565, value: 0.9508378671016544 },
        { atMs: 1_052, kind: "outage", target: "store", durationMs: 465, value: 0.03249073470942676 },
        { atMs: 1_056, kind: "duplicates", target: "store", durationMs: 1_799, value: 0.7579008038155735 },
        { atMs: 1_098, kind: "duplicates", target: "store", durationMs: 1_801, value: 0.2846820580307394 },
      ],
    },
  },
  {
    bug: "a share that was revoked by force was written again from before its mark, though its session knew of a loss",
    scenario: {
      ...{ processes: 3, keys: 2, durationMs: 2_167, seed: 43_001_209 },
      faults: [
        { atMs: 347, kind: "stop", target: "p1", durationMs: 516, value: 0.7513917684555054 },
        { atMs: 633, kind: "hold-both", target: "p1", durationMs: 3_308, value: 0.5186952911317348 },
        { atMs: 766, kind: "hold-down", target: "p1", durationMs: 515, value: 0.03560012113302946 },
        { atMs: 772, kind: "hold-down", target: "p0", durationMs: 1_596, value: 0.9532443303614855 },
        { atMs: 945, kind: "restart-old", target: "store", durationMs: 1_867, value: 0.02632414153777063 },
      ],
    },
  },
  {
    bug: "the oracle: the store forgot all before a process knew which of its leases was taken",
    scenario: {
      ...{ processes: 2, keys: 3, durationMs: 1_872, seed: 71_000_634 },
      faults: [{ atMs: 432, kind: "restart-empty", target: "store", durationMs: 651, value: 0.6026492763776332 }],
    },
  },
];
