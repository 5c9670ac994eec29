import type { SessionRecord } from "./databases/database.js";

export type ProcessProof = "dead" | "alive" | "unknown";

export type TakeoverFacts = {
  holder: SessionRecord;
  proof: ProcessProof;
  /** For how long the contender has been served by the store without a gap, ms. */
  steadyMs: number;
  /** What this contender has to wait on top of the holder's limits, ms. */
  overlookedMs: number;
  /** How long ago the contender's own connection last broke, ms. */
  brokenAgoMs: number;
  contenderSessionTtlMs: number;
};

/** "unsure": silent past its limit, but this contender may not judge yet; `againInMs` says when it could. */
export type TakeoverVerdict =
  | { verdict: "dead"; proof: boolean }
  | { verdict: "alive"; againInMs: number }
  | { verdict: "unsure"; againInMs: number };

/** A process proven dead whose socket the store has not seen closing yet: it will, within a round of its event loop. */
const SOCKET_CLOSES_MS = 20;

/**
 * May this holder be condemned? By the limits in its own record alone (a contender's options judge nobody), and only
 * by a contender that was steady for the whole limit, since a stall of the store makes everybody look silent. The
 * store checks it all again in the step that condemns. Pure.
 */
export function decideTakeover(facts: TakeoverFacts): TakeoverVerdict {
  const { holder, proof, steadyMs, overlookedMs, brokenAgoMs } = facts;
  if (holder.state !== "alive") return { verdict: "dead", proof: false };
  const proven = proof === "dead";
  if (proven && holder.connectionGone !== false) return { verdict: "dead", proof: true };

  // The store's clock went back, and would call a dead one alive until it has caught up. Asked to condemn, the store
  // does not, but counts the silence from now.
  if (holder.silentMs < 0) return { verdict: "dead", proof: false };

  const { silentMs } = holder;
  const until = (limitMs: number) => Math.max(limitMs - silentMs, limitMs - steadyMs, -overlookedMs) + overlookedMs;
  const untilSilent = until(holder.sessionTtlMs);
  let untilDisconnected = Infinity;
  if (holder.connectionGone) {
    untilDisconnected = Math.max(until(holder.disconnectGraceMs), facts.contenderSessionTtlMs - brokenAgoMs, 0);
  }
  const againInMs = Math.min(untilSilent, untilDisconnected, proven ? SOCKET_CLOSES_MS : Infinity);
  if (againInMs === 0) return { verdict: "dead", proof: false };

  const pastLimit =
    silentMs >= holder.sessionTtlMs || (holder.connectionGone === true && silentMs >= holder.disconnectGraceMs);
  return pastLimit || proven ? { verdict: "unsure", againInMs } : { verdict: "alive", againInMs };
}
