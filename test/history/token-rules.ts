// S2, and the resource that the tokens guard.

import type { CheckerRules } from "./checker-rules.js";
import type { Of, OfKey } from "./history-index.js";
import { idOf } from "./history-index.js";
import type { Violation } from "./history.js";
import { PrefixBest } from "./prefix-best.js";

/**
 * S2: a token is a positive safe integer and belongs to one attempt, or to the shared leases of one period, and an
 * attempt has one token. Permits have none.
 */
export function tokensAreUnique({ key, grants }: OfKey): Violation[] {
  const ownerOf = new Map<number, string>();
  const tokenOf = new Map<string, number>();
  return grants.flatMap(({ id, party, mode, token, acquiredMs }) => {
    const what: string[] = [];
    if (mode === "permits") {
      if (token !== 0) what.push(`${id} was granted permits under token ${token}`);
      return what.map((text) => ({ rule: "S2", atMs: acquiredMs, key, what: text }));
    }
    const [owner, before] = [ownerOf.get(token) ?? party, tokenOf.get(id) ?? token];
    ownerOf.set(token, owner);
    tokenOf.set(id, before);
    if (!Number.isSafeInteger(token) || token <= 0) what.push(`${token} is no token`);
    if (owner !== party) what.push(`${id} was granted ${token}, which ${owner} had`);
    if (before !== token) what.push(`${id} was granted ${token} after ${before}`);
    return what.map((text) => ({ rule: "S2", atMs: acquiredMs, key, what: text }));
  });
}

/**
 * S2: who asked after another was known to have been granted has a larger token. Only this order is certain: of two
 * acquires under way at the same time either may be granted first, and logged last.
 */
export function tokensGrow({ key, grants }: OfKey): Violation[] {
  const known = new PrefixBest(grants.map((of) => ({ atMs: of.acquiredMs, value: of.token, owner: of.id, of })));
  return grants.flatMap(({ id, token, mode, calledMs, acquiredMs }) => {
    const before = mode === "permits" ? undefined : known.largest(calledMs, id);
    // An equal one is a token given twice, which the rule above tells.
    if (!before || before.value <= token) return [];
    const what = `${id} was granted ${token}; before it asked, ${before.owner} had ${before.value}`;
    return [{ rule: "S2", atMs: acquiredMs, key, what }];
  });
}

/**
 * The resource: after an accepted write none under a smaller token is accepted. A write took place between its
 * `beganMs` and its `atMs`; without the former, after the lease's grant and after its write before.
 */
export function fencedWritesKeepOrder(ofKey: OfKey): Violation[] {
  const accepted = ofKey.writes.filter(({ fenced, accepted: is }) => fenced && is);
  const done = new PrefixBest(accepted.map((of) => ({ atMs: of.atMs, value: of.token, owner: idOf(of), of })));
  const begins = beginsOf(ofKey);
  return accepted.flatMap((write) => {
    const larger = done.largest(begins.get(write) ?? -Infinity, idOf(write));
    if (!larger || larger.value <= write.token) return [];
    const what = `the resource accepted ${write.token} of ${write.process} after ${larger.value} of ${larger.owner}`;
    return [{ rule: "fence", atMs: write.atMs, key: ofKey.key, what }];
  });
}

function beginsOf({ grants, writes }: OfKey): Map<Of<"write">, number> {
  const latest = new Map(grants.map(({ id, acquiredMs }) => [id, acquiredMs]));
  const begins = new Map<Of<"write">, number>();
  for (const write of writes) {
    begins.set(write, write.beganMs ?? latest.get(idOf(write)) ?? -Infinity);
    latest.set(idOf(write), write.atMs);
  }
  return begins;
}

/**
 * S2 as the resource sees it: the rightful holder is not refused. A larger token can have reached the resource only
 * after its holder had logged it, so where none had by the time of the refusal, the fence had come from nowhere: from
 * a token that was granted, and then forgotten.
 */
export function rightfulIsNotRefused({ key, grants, writes }: OfKey): Violation[] {
  const known = new PrefixBest(grants.map((of) => ({ atMs: of.acquiredMs, value: of.token, owner: of.id, of })));
  return writes.flatMap((write) => {
    if (!write.fenced || write.accepted) return [];
    const largest = known.largest(write.atMs, idOf(write));
    if (largest && largest.value > write.token) return [];
    const what = `the resource refused ${write.token} of ${write.process}, and no larger token had been granted`;
    return [{ rule: "S2", atMs: write.atMs, key, what }];
  });
}

/**
 * Updates that were acknowledged and are gone. Every write is one more than what its writer had read, so a value that
 * was acknowledged twice was overwritten once; and a counter below the number of acknowledged writes lost the rest.
 * Writes of killed processes, executed and never acknowledged, can only hide a loss, not make one up.
 */
export function lostUpdates({ key, writes }: OfKey, fenced: boolean, rules: CheckerRules): number {
  const values = writes.filter((write) => write.fenced === fenced && write.accepted).map(({ value }) => value);
  const final = rules.finalValues?.find((one) => one.key === key && one.fenced === fenced)?.value ?? Infinity;
  return Math.max(values.length - new Set(values).size, values.length - final, 0);
}

export function noFencedUpdateIsLost(ofKey: OfKey, rules: CheckerRules): Violation[] {
  const lost = lostUpdates(ofKey, true, rules);
  if (lost === 0) return [];
  const seen = new Set<number>();
  const twice = ofKey.writes.find(({ fenced, accepted, value }) => {
    if (!fenced || !accepted) return false;
    return seen.size === seen.add(value).size;
  });
  const atMs = (twice ?? ofKey.writes.findLast(({ fenced, accepted }) => fenced && accepted))?.atMs ?? 0;
  return [{ rule: "fence", atMs, key: ofKey.key, what: `${lost} acknowledged fenced updates are lost` }];
}
