// The harness itself under a few fixed seeds. Among them: data loss, failovers, frozen and killed processes, worker
// crashes, lost packets, clock steps.

import { tryFewSchedules } from "./few-schedules.js";

tryFewSchedules([
  {
    backend: "redis",
    lanes: [
      [2, 15],
      [6, 34],
    ],
  },
  { backend: "sqlite", lanes: [[1_000], [1_005]] }, // deleted and locked files
  { backend: "postgres", lanes: [[5_004], [5_007]] }, // crashes and clocks
  { backend: "cluster", lanes: [[2_002], [2_004]] }, // masters, slots
]);
