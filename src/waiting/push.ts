import type { Clock, Instant } from "../clock.js";
import type { GrantPush, LeaseRecord } from "../databases/database.js";
import type { Session, Stamp } from "../session.js";

/**
 * Whether a push is as good as an answer. Its lease was granted after the last answer, for the two came in that order,
 * or its token says so: that answer's stamp tells whether anything has happened since, its sending until when to
 * believe.
 */
export function isGoodAsAnswer(
  push: GrantPush,
  isBeside: boolean,
  { holders, stamp, sent }: { holders: readonly LeaseRecord[]; stamp: Stamp; sent: Instant },
  lockTtlMs: number,
  { clock, session }: { clock: Clock; session: Session },
): boolean {
  if (isBeside && holders.some((lease) => lease.fencingToken >= push.fencingToken)) return false;
  const { sessionId, era } = stamp.identity;
  const isYoung = clock.monoMs() < sent.monoMs + lockTtlMs / 2;
  return isYoung && push.sessionId === sessionId && push.era === era && session.isCurrent(stamp);
}
