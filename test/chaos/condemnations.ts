// S4 in real processes: nobody is condemned who could ping, whatever became of the store.

import type { Violation } from "../history/history.js";
import type { Condemnation } from "./journal.js";
import type { Interval } from "./relaxations.js";

/** A process that was condemned, by the run of a process that the pid meant, and its limit. */
export type Victim = { readonly process: string; readonly place: string; readonly sessionTtlMs: number };

export type CondemnedDeps = {
  readonly condemnations: readonly Condemnation[];
  readonly faults: readonly Interval[];
  readonly victimOf: (pid: number) => Victim | undefined;
  /** When the machine let the harness wait for so long that it may have let a member wait, too. */
  readonly starved: readonly { readonly fromMs: number; readonly toMs: number }[];
};

/** The other reasons concern sessions that their own process has given up. */
const bySilence: readonly string[] = ["silent", "disconnected", "proof"];

/** The main thread does not ping, so these leave the pings alone. */
const harmless: readonly string[] = ["block", "client-clock", "duplicate"];

/** What had happened to a process so shortly before may have silenced it: a reconnect, the start of a thread. */
const aftermathMs = 1_500;

/** Condemnations of processes that nothing but a fault of the store had touched. */
export function wrongCondemnations(deps: CondemnedDeps): Violation[] {
  const { condemnations, faults, victimOf, starved } = deps;
  return condemnations.flatMap(({ atMs, process, pid, reason, silentMs }) => {
    const victim = victimOf(pid);
    if (!victim || !bySilence.includes(reason)) return [];
    const fromMs = atMs - victim.sessionTtlMs - aftermathMs;
    const within = (other: { fromMs: number; toMs: number }): boolean => other.fromMs < atMs && other.toMs > fromMs;
    const touched = faults.some((fault) => silences(fault, victim.place) && within(fault));
    if (touched || starved.some(within)) return [];
    const what = `${process} condemned ${victim.process} (${reason}, silent for ${Math.round(silentMs)} ms), which ran`;
    return [{ rule: "S4", atMs, what }];
  });
}

/** Some connections stay with an old primary that runs again: its clients ping, but not where they are judged. */
const splits: readonly string[] = ["failover-revive", "two-masters"];

function silences({ kind, target }: Interval, place: string): boolean {
  if (splits.includes(kind)) return true;
  return target !== "store" && !harmless.includes(kind) && (target === place || target === "all");
}
