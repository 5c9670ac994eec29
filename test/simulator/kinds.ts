// The kinds of faults, and what a world of them promises.

import type { Fault, Scenario } from "../history/scenario.js";

/**
 * What can happen to one process, its network, the store. `gentle`: it may cost no living process a lease.
 */
export const KINDS = {
  stop: { of: "process" },
  kill: { of: "process" },
  block: { of: "process" },
  "crash-worker": { of: "process" },
  "block-worker": { of: "process" },
  "step-wall": { of: "process" },
  "hold-acquire": { of: "process" },
  "hold-up": { of: "process" },
  "hold-down": { of: "process" },
  "hold-both": { of: "process" },
  loss: { of: "process" },
  latency: { of: "process" },
  refuse: { of: "process" },
  cut: { of: "process" },
  "lost-replies": { of: "process" },
  stall: { of: "store", gentle: true },
  "kill-connections": { of: "store", gentle: true },
  restart: { of: "store", gentle: true },
  silence: { of: "store", gentle: true },
  "silence-lag": { of: "store" },
  "restart-empty": { of: "store" },
  "restart-old": { of: "store" },
  flush: { of: "store" },
  "memory-full": { of: "store", gentle: true },
  "step-clock": { of: "store" },
  outage: { of: "store", gentle: true },
  duplicates: { of: "store", gentle: true },
} as const satisfies Record<string, { of: "process" | "store"; gentle?: true }>;

export type Kind = keyof typeof KINDS;

/** Whoever holds a key when the fault begins. */
export const HOLDER = "holder";

/** Such a fault alone costs nobody a lease: who lives comes back in time. */
export const HARMLESS_ALONE = new Set<Kind>([
  "restart-empty",
  "restart-old",
  "flush",
  "silence",
  "crash-worker",
  "block",
]);

export const LOSES_MEMORY = new Set<string>(["silence-lag", "restart-empty", "restart-old", "flush"]);

/**
 * Whether no living process may lose a lease. A restart that follows another trouble of the store is not gentle: who
 * was not served for trustMs before its connection broke may have been condemned unheard (docs/adr/0006).
 */
export function isGentle({ faults }: Scenario): boolean {
  // One that lasts longer may outlive the leases with the shortest lock TTL, which is the end that is promised.
  if (faults.some(({ durationMs }) => durationMs > 1_300)) return false;
  const [first, second] = faults;
  if (first && !second && HARMLESS_ALONE.has(first.kind as Kind)) return true;
  const isNear = (restart: Fault, other: Fault) =>
    other !== restart &&
    other.atMs <= restart.atMs + restart.durationMs + 1_500 &&
    other.atMs + other.durationMs >= restart.atMs - 600;
  const restarts = faults.filter(({ kind }) => kind === "restart" || kind === "silence");
  return (
    faults.every(({ kind }) => "gentle" in KINDS[kind as Kind]) &&
    !restarts.some((restart) => faults.some((other) => isNear(restart, other)))
  );
}

/** A crashed worker is started again by its main thread: one that a job blocks just then makes two faults of one. */
export function mayBlock({ faults }: Scenario): boolean {
  return faults.length !== 1 || faults[0]!.kind !== "crash-worker";
}
