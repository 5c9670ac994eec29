// S1, S5, S6 and what the lease owes its holder. Each rule is sound: an alarm is a proof, whatever the scheduler did
// between two lines of a process. So "before" always means: the latest possible moment of the one lies before the
// earliest possible moment of the other.

import type { CheckerRules } from "./checker-rules.js";
import type { HistoryIndex, Of, OfKey } from "./history-index.js";
import { idOf } from "./history-index.js";
import type { Violation } from "./history.js";
import { PrefixBest, firstIndex } from "./prefix-best.js";

/**
 * S1 by tokens. A grant is proved once its holder logged it or had a yes in hand: the store had granted it by then. A
 * yes that was asked for after that speaks of a later instant. The larger token was granted later (S2), hence between
 * this grant and this yes. A grant whose reply came late and stale was a grant all the same; an overlap is no alarm,
 * as `atMs` was read before the call.
 */
export function noYesAfterLargerToken({ key, grants, yes }: OfKey): Violation[] {
  const acquired = grants.map((grant) => ({ atMs: grant.acquiredMs, token: grant.token, id: grant.id }));
  const checked = yes.map((check) => ({ atMs: check.afterMs, token: check.token, id: idOf(check) }));
  const proofs = [...acquired, ...checked].map((of) => ({ atMs: of.atMs, value: of.token, owner: of.id, of }));
  const granted = new PrefixBest(proofs);
  return yes.flatMap((check) => {
    const larger = granted.largest(check.atMs, idOf(check));
    if (!larger || larger.value <= check.token) return [];
    const ago = (check.atMs - larger.atMs).toFixed(3);
    const grant = `${larger.value} of ${larger.owner} was granted ${ago} ms ago`;
    const what = `${check.process} said yes under ${check.token}; ${grant}`;
    return [{ rule: "S1", atMs: check.atMs, key, what }];
  });
}

/**
 * S1 whatever the tokens are. Held: from the end of the first yes to the begin of the last. A whole yes of another
 * grant inside makes one of the two false: if the other was granted before this one, its yes came after this grant; if
 * later, this one's last yes came after that grant. "acquired" counts for nothing: a process that was frozen logs a
 * stale grant, and its first check then fails as it must. Shared leases of one period count as one that is held from
 * the first of them to the last: while any is held the key is shared, under that token.
 */
export function noYesWithinAnothersHold({ key, grants, yes }: OfKey): Violation[] {
  const parties = new Map(grants.map(({ id, party }) => [id, party]));
  const partyOf = (check: Of<"check">): string => parties.get(idOf(check)) ?? idOf(check);
  const byGrant = new Map<string, Of<"check">[]>();
  for (const check of yes) {
    const checks = byGrant.get(partyOf(check)) ?? [];
    byGrant.set(partyOf(check), checks);
    checks.push(check);
  }
  const holds = [...byGrant].map(([id, checks]) => {
    const fromMs = checks.reduce((least, { afterMs }) => Math.min(least, afterMs), Infinity);
    const lastMs = checks.reduce((most, { atMs }) => Math.max(most, atMs), -Infinity);
    return { atMs: fromMs, value: lastMs, owner: id, of: checks };
  });
  const held = new PrefixBest(holds);
  const told = new Set<string>();
  return yes.flatMap((check) => {
    const around = held.largest(check.atMs, partyOf(check));
    if (!around || around.value <= check.afterMs) return [];
    const pair = `${around.owner} ${partyOf(check)}`;
    if (told.has(pair)) return [];
    told.add(pair);
    return [overlap(key, around.of, check)];
  });
}

function overlap(key: string, around: readonly Of<"check">[], check: Of<"check">): Violation {
  const sorted = around.toSorted((a, b) => a.atMs - b.atMs);
  const again = sorted[firstIndex(sorted, ({ atMs }) => atMs > check.afterMs)]!;
  const other = `${check.process} did under ${check.token} until ${check.afterMs.toFixed(3)}`;
  const what = `${again.process} said yes under ${again.token}, before and after ${other}`;
  return { rule: "S1", atMs: again.atMs, key, what };
}

/**
 * "release": who is told that it held its lease to the end did. The larger token was in its holder's hands before the
 * release was called, so the store had taken this one before; only a release that was called before may say yes.
 */
export function heldToTheEndIsTrue({ key, grants }: OfKey): Violation[] {
  const known = new PrefixBest(grants.map((of) => ({ atMs: of.acquiredMs, value: of.token, owner: of.id, of })));
  return grants.flatMap(({ id, process, token, releaseCalledMs, heldToTheEnd }) => {
    const larger = heldToTheEnd ? known.largest(releaseCalledMs, id) : undefined;
    if (!larger || larger.value <= token) return [];
    const ago = (releaseCalledMs - larger.atMs).toFixed(3);
    const grant = `${larger.value} of ${larger.owner} was granted ${ago} ms before`;
    const what = `${process} was told that it held ${token} to the end; ${grant}`;
    return [{ rule: "release", atMs: releaseCalledMs, key, what }];
  });
}

/**
 * S5: everything the store holds at the end is known to a process that lives. An acquire that is still under way may
 * hold what nobody has been told of yet, and a release that has not ended may not have arrived.
 */
export function noGhosts(index: HistoryIndex, rules: CheckerRules): Violation[] {
  return (rules.finalHolders ?? []).flatMap(({ key, token, session }) => {
    const ofKey = index.keys.get(key);
    const lives = (process: string): boolean => index.endOf(process) === Infinity;
    const isReleased = (id: string): boolean => released.has(id);
    const released = new Set(
      index.events.flatMap((event) => (event.kind === "released" && event.key === key ? [idOf(event)] : [])),
    );
    const isHeld = ofKey?.grants.some((one) => one.token === token && lives(one.process) && !isReleased(one.id));
    const isUnderWay = ofKey?.attempts.some((one) => one.endedMs === Infinity && lives(one.process));
    if (isHeld || isUnderWay) return [];
    const of = session === undefined ? "" : ` of session ${session}`;
    return [{ rule: "S5", atMs: index.endMs, key, what: `the store holds ${token}${of}, and no living process does` }];
  });
}

export function noCrash({ events }: HistoryIndex): Violation[] {
  return events.flatMap((event) =>
    event.kind === "crashed" ? [{ rule: "S6", atMs: event.atMs, what: `${event.process}: ${event.error}` }] : [],
  );
}
