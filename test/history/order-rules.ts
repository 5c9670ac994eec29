// Q1: waiters of different processes are served in the order in which they came.

import type { CheckerRules } from "./checker-rules.js";
import type { Disturbances } from "./disturbances.js";
import type { Attempt, Grant, HistoryIndex } from "./history-index.js";
import type { Violation } from "./history.js";

/**
 * An exclusive lease was granted to a process that asked long after another had begun to wait, and that other one still
 * waits. Sound: only where it is certain that the other stood in the queue by then, in its place. So neither process
 * may have been hindered since, nor have had any other business with the key: a process queues once for all its jobs,
 * and hands a key on to those of them who stood there when it came.
 */
export function nobodyJumpsTheQueue(index: HistoryIndex, faults: Disturbances, rules: CheckerRules): Violation[] {
  const { orderMs } = rules;
  if (orderMs === undefined) return [];
  return [...index.keys.values()].flatMap(({ key, attempts, grants }) =>
    grants.flatMap((grant) => {
      if (grant.mode !== "exclusive" || !Number.isFinite(grant.calledMs)) return [];
      const passed = attempts.find((waiter) => isPassed(waiter, grant, orderMs) && isCertain(waiter, grant));
      if (!passed) return [];
      const forMs = (grant.acquiredMs - passed.calledMs!).toFixed(0);
      const what = `${grant.id} was granted ${grant.token}, and ${passed.id} has waited for ${forMs} ms`;
      return [{ rule: "Q1", atMs: grant.acquiredMs, key, what }];

      function isCertain(waiter: Attempt, { process, acquiredMs, id }: Grant): boolean {
        const fromMs = waiter.calledMs!;
        const isCalm = (of: string): boolean =>
          !faults.of(of).some((span) => span.fromMs <= acquiredMs && span.toMs >= fromMs);
        const hasOther = (of: string, own: string): boolean =>
          attempts.some(
            (one) => one.process === of && one.id !== own && overlaps(one, fromMs, acquiredMs, index.endMs),
          );
        return (
          isCalm(waiter.process) && isCalm(process) && !hasOther(waiter.process, waiter.id) && !hasOther(process, id)
        );
      }
    }),
  );
}

function isPassed(waiter: Attempt, grant: Grant, orderMs: number): boolean {
  const { calledMs = Infinity, waits, endedMs, process } = waiter;
  return waits && process !== grant.process && calledMs + orderMs <= grant.calledMs && endedMs > grant.acquiredMs;
}

/** From its call to the end of its lease, whichever is later. */
function overlaps({ calledMs = -Infinity, endedMs, grant }: Attempt, fromMs: number, toMs: number, endMs: number) {
  const overMs = grant ? Math.min(grant.releaseCalledMs, endMs) : endedMs;
  return calledMs <= toMs && Math.max(overMs, endedMs) >= fromMs;
}
