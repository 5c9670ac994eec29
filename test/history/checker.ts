// Judges a history: what the processes saw, against what the design promises. Sound and O(n log n); no search.

import type { CheckerRules } from "./checker-rules.js";
import { Disturbances } from "./disturbances.js";
import { indexHistory, type OfKey } from "./history-index.js";
import type { HistoryEvent, Violation } from "./history.js";
import * as liveness from "./liveness-rules.js";
import * as order from "./order-rules.js";
import * as permits from "./permit-rules.js";
import * as safety from "./safety-rules.js";
import * as tokens from "./token-rules.js";

export type { CheckerRules, FinalHolder, FinalValue } from "./checker-rules.js";

/** Every violation, the earliest first. */
export function checkHistory(events: readonly HistoryEvent[], rules: CheckerRules = {}): Violation[] {
  const index = indexHistory(events);
  const faults = new Disturbances(index, rules);
  const ofKeys = [...index.keys.values()].flatMap((ofKey) => checkKey(ofKey, rules));
  return [
    ...ofKeys,
    ...safety.noGhosts(index, rules),
    ...safety.noCrash(index),
    ...liveness.noLossWithoutCause(index, faults, rules),
    ...liveness.deadAreReplaced(index, faults, rules),
    ...liveness.losersAreTold(index, faults, rules),
    ...liveness.keysHeal(index, rules),
    ...liveness.noFailureInTheCalm(index, rules),
    ...liveness.closesInTime(index, rules),
    ...order.nobodyJumpsTheQueue(index, faults, rules),
  ].sort((a, b) => a.atMs - b.atMs);
}

function checkKey(ofKey: OfKey, rules: CheckerRules): Violation[] {
  return [
    ...safety.noYesAfterLargerToken(ofKey),
    ...safety.noYesWithinAnothersHold(ofKey),
    ...safety.heldToTheEndIsTrue(ofKey),
    ...permits.noMorePermitsThanThereAre(ofKey),
    ...tokens.tokensAreUnique(ofKey),
    ...tokens.tokensGrow(ofKey),
    ...tokens.fencedWritesKeepOrder(ofKey),
    ...tokens.rightfulIsNotRefused(ofKey),
    ...tokens.noFencedUpdateIsLost(ofKey, rules),
  ];
}
