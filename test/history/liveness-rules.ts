// L1, L3, L4, L5, S4: what must happen in time, and what must not happen to a process that nobody hindered. A fault
// stops the clock of all of these: only a stretch without any, and longer than the bound, is judged.

import type { CheckerRules } from "./checker-rules.js";
import { deadlineAmid, type Disturbances } from "./disturbances.js";
import { idOf, type Attempt, type Grant, type HistoryIndex, type OfKey } from "./history-index.js";
import type { Violation } from "./history.js";
import { PrefixBest } from "./prefix-best.js";

const condemnations: readonly (string | undefined)[] = ["session-condemned", "taken-over"];

/**
 * S4, L4: a lease is lost by a fault or not at all. It was lost at some moment after its last yes, and before a larger
 * token was in somebody's hands or the holder was told, which may be much later; a fault that may cost a lease excuses
 * it from its begin to its aftermath. A lease that its holder gives back or closes is none.
 */
export function noLossWithoutCause(index: HistoryIndex, faults: Disturbances, rules: CheckerRules): Violation[] {
  if (!rules.judgesLosses) return [];
  const excuses = rules.excusesLoss ?? (() => true);
  return grantsOf(index).flatMap((grant) => {
    const { lostMs, lostCode, process, key, token } = grant;
    if (lostMs === Infinity || lostCode === "closed" || grant.releaseCalledMs <= lostMs) return [];
    const { yes, grants } = index.keys.get(key)!;
    const lastYes = yes.findLast((check) => idOf(check) === grant.id); // of that very lease: all permits have one token
    const heldMs = lastYes?.atMs ?? grant.acquiredMs;
    const takenMs = grants.filter((other) => other.token > token).map((other) => other.acquiredMs);
    const goneMs = Math.max(heldMs, Math.min(lostMs, ...takenMs));
    if (faults.of(process).some((span) => span.fromMs <= goneMs && heldMs <= span.toMs && excuses(span))) return [];
    const rule = condemnations.includes(lostCode) ? "S4" : "L4";
    const what = `${process} lost ${token} (${lostCode ?? "a check said so"}), and nothing had hindered it`;
    return [{ rule, atMs: lostMs, key, what }];
  });
}

/** A lease whose holder was killed, and the grant that came next. */
export type Orphan = { readonly grant: Grant; readonly killedMs: number; readonly nextMs: number };

/**
 * Only leases that the history proves: not given back, not known lost, and with no larger token before the kill. Beside
 * a shared lease or a permit others may go on, so that nobody can tell when its key should come round.
 */
export function orphansOf(index: HistoryIndex): Orphan[] {
  const killed = new Map(index.events.flatMap((one) => (one.kind === "killed" ? [[one.process, one.atMs]] : [])));
  return [...index.keys.values()].flatMap(({ grants }) => {
    const known = new PrefixBest(grants.map((of) => ({ atMs: of.acquiredMs, value: of.token, owner: of.id, of })));
    return grants.flatMap((grant, at) => {
      const killedMs = killed.get(grant.process);
      if (killedMs === undefined || killedMs < grant.acquiredMs || grant.mode !== "exclusive") return [];
      if (Math.min(grant.releaseCalledMs, grant.lostMs) <= killedMs) return [];
      if ((known.largest(killedMs, grant.id)?.value ?? 0) > grant.token) return [];
      const next = grants.slice(at + 1).find(({ acquiredMs }) => acquiredMs >= killedMs);
      return [{ grant, killedMs, nextMs: next?.acquiredMs ?? Infinity }];
    });
  });
}

/**
 * L1: an acquire that was under way for the whole bound after the death, or that began after it and was told that the
 * dead one holds, while nobody was granted the key, and nothing hindered any of those who asked at that time: one
 * that was granted it and killed, or frozen, before it could say so has to be replaced first. The time counts from the
 * death, the call, or the end of the last fault.
 */
export function deadAreReplaced(index: HistoryIndex, faults: Disturbances, rules: CheckerRules): Violation[] {
  const { takeoverMs } = rules;
  if (takeoverMs === undefined) return [];
  return orphansOf(index).flatMap(({ grant, killedMs, nextMs }) => {
    const asking = index.keys
      .get(grant.key)!
      .attempts.filter(
        ({ calledMs = Infinity, endedMs, process }) =>
          process !== grant.process && endedMs > killedMs && calledMs < nextMs,
      );
    const hindering = faults.ofAll(new Set(asking.map(({ process }) => process)), index.endOf);
    const late = asking.flatMap((attempt) => {
      const { calledMs = Infinity } = attempt;
      const freshMs = deadlineAmid(hindering, killedMs, takeoverMs);
      const waitedMs = deadlineAmid(hindering, Math.max(killedMs, calledMs), takeoverMs);
      const isToldOfDead = attempt.busyWith === grant.token && calledMs >= freshMs;
      const dueMs = isToldOfDead ? calledMs : waitedMs;
      const endedMs = Math.min(attempt.endedMs, index.endMs);
      return endedMs > dueMs && nextMs > dueMs ? [{ attempt, dueMs }] : [];
    });
    const first = late.toSorted((a, b) => a.dueMs - b.dueMs)[0];
    if (!first) return [];
    const after = (first.dueMs - killedMs).toFixed(0);
    const what = `${first.attempt.id} still waits for ${grant.token} of ${grant.process}, killed ${after} ms ago`;
    return [{ rule: "L1", atMs: first.dueMs, key: grant.key, what }];
  });
}

/**
 * L3: who lost its lease is told within the bound after the larger token was known, unless it was hindered, gave the
 * lease back, died or closed before. The grant lies before its stamp, so the bound begins late, never early.
 */
export function losersAreTold(index: HistoryIndex, faults: Disturbances, rules: CheckerRules): Violation[] {
  const { noticeMs } = rules;
  if (noticeMs === undefined) return [];
  return [...index.keys.values()].flatMap(({ key, grants }) =>
    grants.flatMap((grant, at) => {
      const next = nextLarger(grants, at);
      if (!next) return [];
      const fromMs = Math.max(next.acquiredMs, grant.acquiredMs);
      const dueMs = faults.deadline(grant.process, fromMs, noticeMs);
      const endedMs = Math.min(grant.releaseCalledMs, index.endOf(grant.process), index.endMs);
      if (endedMs <= dueMs || grant.lostMs <= dueMs) return [];
      const when = grant.lostMs < Infinity ? `only told after ${(grant.lostMs - fromMs).toFixed(0)} ms` : "never told";
      const what = `${grant.process} was ${when} that ${grant.token} is lost to ${next.token} of ${next.process}`;
      return [{ rule: "L3", atMs: dueMs, key, what }];
    }),
  );
}

/** Grants are in the order of their stamps, so for almost all the next one is it; none after the release counts. */
function nextLarger(grants: readonly Grant[], at: number): Grant | undefined {
  const { token, releaseCalledMs } = grants[at]!;
  for (let next = at + 1; next < grants.length; next++) {
    if (grants[next]!.acquiredMs >= releaseCalledMs) return undefined;
    if (grants[next]!.token > token) return grants[next];
  }
  return undefined;
}

/**
 * L5: after the faults every key that is asked for is granted, once whoever lives and has it lets go. Asked for
 * means: an acquire was called, and the history goes on for longer than the bound after that.
 */
export function keysHeal(index: HistoryIndex, rules: CheckerRules): Violation[] {
  const { healedAtMs, healMs } = rules;
  if (healedAtMs === undefined || healMs === undefined) return [];
  return [...index.keys.values()].flatMap((ofKey) => {
    const calledMs = firstCallAfter(ofKey, healedAtMs);
    const heldUntilMs = ofKey.grants.reduce((last, { acquiredMs, releaseCalledMs, lostMs, process }) => {
      const untilMs = Math.min(releaseCalledMs, lostMs, index.endOf(process));
      return acquiredMs < healedAtMs ? Math.max(last, untilMs) : last;
    }, healedAtMs);
    const dueMs = Math.max(calledMs, heldUntilMs) + healMs;
    if (dueMs >= index.endMs) return [];
    if (ofKey.grants.some(({ acquiredMs }) => acquiredMs >= healedAtMs && acquiredMs <= dueMs)) return [];
    return [{ rule: "L5", atMs: dueMs, key: ofKey.key, what: `nobody got the key within ${healMs} ms of calm` }];
  });
}

function firstCallAfter({ attempts }: OfKey, healedAtMs: number): number {
  const pending = attempts.filter(({ calledMs, endedMs }) => calledMs !== undefined && endedMs > healedAtMs);
  return pending.reduce((first, { calledMs }) => Math.min(first, calledMs!), Infinity);
}

/** In the calm no acquire fails: it began after the faults, so it cannot have met one. */
export function noFailureInTheCalm(index: HistoryIndex, rules: CheckerRules): Violation[] {
  const { healedAtMs = Infinity, healMs = 0 } = rules;
  const { calmFromMs = healedAtMs + healMs, calmUntilMs = Infinity } = rules;
  const isInCalm = ({ calledMs, endedMs }: Attempt): boolean =>
    calledMs !== undefined && calledMs >= calmFromMs && endedMs <= calmUntilMs;
  return [...index.keys.values()].flatMap(({ key, attempts }) =>
    attempts.flatMap((attempt) => {
      const { failed, id } = attempt;
      if (!failed || !isInCalm(attempt)) return [];
      return [{ rule: "L5", atMs: failed.atMs, key, what: `${id} failed in the calm: ${failed.error}` }];
    }),
  );
}

/** Leaving takes no longer than its own limit. The harness measures it in the process, between two lines of its own. */
export function closesInTime({ events }: HistoryIndex, { closeMs }: CheckerRules): Violation[] {
  if (closeMs === undefined) return [];
  return events.flatMap((event) => {
    if (event.kind !== "closed" || event.tookMs <= closeMs) return [];
    const what = `${event.process} took ${event.tookMs.toFixed(0)} ms to close, the limit is ${closeMs}`;
    return [{ rule: "close", atMs: event.atMs, what }];
  });
}

function grantsOf({ keys }: HistoryIndex): Grant[] {
  return [...keys.values()].flatMap(({ grants }) => grants);
}
