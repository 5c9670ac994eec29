// What makes two tiers change, in episodes that overlap: one store or both away, part of the fleet cut off from one of
// them, the register's memory lost; and now and then a process that fares ill meanwhile.

import type { FaultKind } from "./kinds.js";
import type { Fault } from "./schedule.js";

type Random = () => number;
type Draft = Omit<Fault, "atMs" | "durationMs">;
type Episode = {
  readonly weight: number;
  readonly longestMs: number;
  make(random: Random, processes: number): Draft[];
};

const links: readonly FaultKind[] = ["refuse", "half-open-both", "half-open-up", "half-open-down", "hold"];
const mishaps: readonly FaultKind[] = ["kill", "freeze", "block", "worker-throw", "worker-stall"];

/** Durations are drawn between a moment and that: longer than the members' `awayMs` and the recovery after it. */
const episodes: readonly Episode[] = [
  { weight: 3, longestMs: 4_500, make: () => [{ kind: "store-gone", target: "store", store: 1 }] },
  { weight: 1.5, longestMs: 3_000, make: () => [{ kind: "store-gone", target: "store", store: 2 }] },
  { weight: 1, longestMs: 3_000, make: () => [{ kind: "store-gone", target: "store" }] },
  { weight: 1.5, longestMs: 3_500, make: () => [{ kind: "store-freeze", target: "store", store: 1 }] },
  { weight: 1, longestMs: 2_500, make: () => [{ kind: "store-freeze", target: "store", store: 2 }] },
  { weight: 3, longestMs: 4_500, make: (random, processes) => split(random, processes, 1) },
  { weight: 1.5, longestMs: 3_500, make: (random, processes) => split(random, processes, 2) },
  { weight: 0.5, longestMs: 2_500, make: () => [{ kind: "store-old", target: "store", store: 2 }] },
];

/** Each ends before `untilMs`. */
export function changeFaults(random: Random, processes: number, untilMs: number): Fault[] {
  const faults: Fault[] = [];
  for (let atMs = 300 + random() * 500; atMs < untilMs - 1_000; atMs += 500 + random() * 3_000) {
    const { longestMs, make } = pickEpisode(random);
    const durationMs = 500 + random() * (longestMs - 500);
    const timed = (draft: Draft, fromMs: number, forMs: number): Fault => ({
      ...draft,
      atMs: Math.round(fromMs),
      durationMs: Math.round(Math.min(forMs, untilMs - fromMs)),
    });
    faults.push(...make(random, processes).map((draft) => timed(draft, atMs, durationMs)));
    if (random() < 0.4) {
      const mishap = { kind: pick(random, mishaps), target: place(1 + Math.floor(random() * processes)) };
      const fromMs = Math.min(atMs + random() * durationMs, untilMs - 500);
      faults.push(timed(mishap, fromMs, 100 + random() ** 2 * 3_000));
    }
  }
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

/** Some members, from one to all but one, are cut off from that store in the same way. */
function split(random: Random, processes: number, store: 1 | 2): Draft[] {
  const kind = pick(random, links);
  const order = Array.from({ length: processes }, (_, i) => ({ name: place(i + 1), at: random() }));
  const away = order.toSorted((a, b) => a.at - b.at).slice(0, 1 + Math.floor(random() * (processes - 1)));
  return away.map(({ name }) => ({ kind, target: name, store }));
}

function pickEpisode(random: Random): Episode {
  let left = random() * episodes.reduce((sum, { weight }) => sum + weight, 0);
  return episodes.find(({ weight }) => (left -= weight) < 0) ?? episodes[0]!;
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

function place(number: number): string {
  return `p${number}`;
}
