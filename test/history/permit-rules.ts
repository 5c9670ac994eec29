// Q4: permits.

import type { OfKey } from "./history-index.js";
import { idOf } from "./history-index.js";
import type { Violation } from "./history.js";

/**
 * Never are more permits proven to be out than there are. Proven: from the end of a lease's first yes to the begin of
 * its last. The smallest limit that anybody had in hand counts.
 */
export function noMorePermitsThanThereAre({ key, grants, yes }: OfKey): Violation[] {
  const taken = new Map(grants.flatMap(({ id, permits }) => (permits ? [[id, permits] as const] : [])));
  const spans = new Map<string, { fromMs: number; toMs: number }>();
  for (const check of yes) {
    const id = idOf(check);
    if (!taken.has(id)) continue;
    const span = spans.get(id) ?? { fromMs: Infinity, toMs: -Infinity };
    spans.set(id, { fromMs: Math.min(span.fromMs, check.afterMs), toMs: Math.max(span.toMs, check.atMs) });
  }
  // At equal times an end comes before a begin: spans that only touch do not overlap.
  const steps = [...spans].flatMap(([id, { fromMs, toMs }]) => {
    const { take } = taken.get(id)!;
    const steps = [
      { atMs: fromMs, units: take, id },
      { atMs: toMs, units: -take, id },
    ];
    return fromMs < toMs ? steps : [];
  });
  steps.sort((a, b) => a.atMs - b.atMs || a.units - b.units);
  const limit = Math.min(...[...taken.values()].map((one) => one.limit));
  let out = 0;
  return steps.flatMap(({ atMs, units, id }) => {
    out += units;
    if (units < 0 || out <= limit) return [];
    return [{ rule: "Q4", atMs, key, what: `with ${id}, ${out} of ${limit} permits are out` }];
  });
}
