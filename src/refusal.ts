import { tellBusy, type AcquisitionDeps, type Attempt } from "./attempt.js";
import { wait, type Clock } from "./clock.js";
import type { Holder, LeaseRecord } from "./databases/database.js";

/** How often a key that is soon to be had is looked at without queueing, ms. Of all such times half is by chance. */
export const POLL_MS = 50;

/**
 * The holder because of whom a key must be given up by one who does not queue; undefined: ask again. `isMisfit`: the
 * holders are in its way by their mode, so that even one who queues has nothing to wait for while one of them lives.
 */
export async function findRefusal(
  attempt: Attempt,
  holders: readonly LeaseRecord[],
  isMisfit: boolean,
  { judge, clock }: AcquisitionDeps,
): Promise<Holder | undefined> {
  const contention = await attempt.stop.within(judge.judgeKey(holders));
  attempt.onAnswer();
  if (contention.next === "take") {
    attempt.take(contention, holders[0]!.era);
    await hurry(attempt, clock);
    return undefined;
  }
  const { next, holder, living, againInMs, limitMs } = contention;
  tellBusy(holders[0]!);
  const { mode, queues } = attempt.asked;
  if (living && (isMisfit || mode !== "permits")) return living; // all of them would have to be dead
  const mayBeDead = next === "unsure" || (isMisfit && queues);
  const leftMs = mayBeDead ? attempt.unsureLeftMs(limitMs) : 0;
  if (leftMs <= 0) return living ?? holder;
  const pollMs = draw(clock, POLL_MS);
  const pauseMs = againInMs < pollMs ? Math.max(againInMs, attempt.hurryPauseMs()) : pollMs;
  await wait(clock, Math.max(1, Math.min(pauseMs, leftMs)), attempt.signal);
  return undefined;
}

/** Something has changed, or so it seems: ask again at once, but not again and again. */
export async function hurry(attempt: Attempt, clock: Clock): Promise<void> {
  const pauseMs = attempt.hurryPauseMs();
  if (pauseMs > 0) await wait(clock, pauseMs, attempt.signal);
}

export function draw(clock: Clock, ms: number): number {
  return ms * (0.5 + clock.random() / 2);
}
