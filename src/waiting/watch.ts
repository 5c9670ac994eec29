import type { LeaseRecord, SessionRecord } from "../databases/database.js";

/** What the first of a queue knows from its last look, so that the next asking does not begin anew. */
export class Watch {
  /** When to look again, monotonic ms. */
  dueMs = -Infinity;
  /** The sessions of those who hold the key. */
  sessions: readonly SessionRecord[] = [];
  /** Whether one of their processes was ever seen: one that dies is out of sight for a moment before it is gone. */
  isNear = false;
  /** Whose turn it is among the unfit waiters before it. */
  turn = 0;
  #of = "";

  /** Other holders are looked at without delay. */
  begin(holders: readonly LeaseRecord[]): void {
    const of = holders.map(({ sessionId, fencingToken }) => `${sessionId} ${fencingToken}`).join();
    if (of === this.#of) return;
    this.#of = of;
    this.dueMs = -Infinity;
    this.sessions = [];
    this.isNear = false;
  }
}
