// What a history contains, in figures: a run without violations says little when little happened in it.

import { indexHistory } from "./history-index.js";
import type { HistoryEvent } from "./history.js";
import { orphansOf } from "./liveness-rules.js";
import { lostUpdates } from "./token-rules.js";

export type Summary = {
  readonly grants: number;
  readonly checks: { readonly yes: number; readonly lost: number; readonly unsure: number };
  readonly writes: { readonly accepted: number; readonly refused: number };
  readonly lostUpdates: { readonly fenced: number; readonly unfenced: number };
  /** Grants after the death of a holder, timed from the kill; 0 when there were none. */
  readonly takeovers: { readonly count: number; readonly p50Ms: number; readonly worstMs: number };
  readonly faults: Readonly<Record<string, number>>;
};

export function summarize(events: readonly HistoryEvent[]): Summary {
  const index = indexHistory(events);
  const count = (is: (event: HistoryEvent) => boolean): number => events.filter(is).length;
  const answers = (answer: string): number => count((event) => event.kind === "check" && event.answer === answer);
  const writes = (accepted: boolean): number => count((event) => event.kind === "write" && event.accepted === accepted);
  const lost = (fenced: boolean): number =>
    [...index.keys.values()].reduce((sum, ofKey) => sum + lostUpdates(ofKey, fenced, {}), 0);
  const tookMs = orphansOf(index)
    .map(({ killedMs, nextMs }) => nextMs - killedMs)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const faults: Record<string, number> = {};
  for (const { fault } of index.faults) faults[fault] = (faults[fault] ?? 0) + 1;
  return {
    grants: count(({ kind }) => kind === "acquired"),
    checks: { yes: answers("yes"), lost: answers("lost"), unsure: answers("unsure") },
    writes: { accepted: writes(true), refused: writes(false) },
    lostUpdates: { fenced: lost(true), unfenced: lost(false) },
    takeovers: { count: tookMs.length, p50Ms: tookMs[tookMs.length >> 1] ?? 0, worstMs: tookMs.at(-1) ?? 0 },
    faults,
  };
}
