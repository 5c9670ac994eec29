// Judges the queues: who is granted a key before whom, and whether anybody is forgotten.

import { grantable, isFit, type Change, type Look, type Report } from "./look.js";
import { entriesIn, lockerOf, type EntrySeen, type HolderSeen } from "./records-seen.js";

/** In the calm no key is free for longer while somebody waits for it, ms: the longest pause of a poll, and its way. */
const IDLE_MS_MAX = 1_200;

export type Caller = { readonly script: string; readonly lockerId: string };

type Place = { readonly order: number; readonly era: string };

export class QueueOracle {
  readonly #report: Report;
  /** Of each key: who waits, and as the how-manieth it came. Kept apart from the store's own numbers. */
  readonly #places = new Map<string, Map<string, Place>>();
  readonly #idleSince = new Map<string, number>();
  #arrivals = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Called first: who stood where before the script. */
  before({ key, before }: Change): void {
    this.#arrive(key, entriesIn(before.queue));
  }

  /** Q1, Q2: somebody was granted the key. */
  onGrant({ leaseId }: HolderSeen, { key, before, after }: Change, look: Look, caller: Caller): void {
    const places = this.#places.get(key);
    const own = places?.get(leaseId)?.order ?? Infinity;
    const left = new Set(entriesIn(after.queue).map((entry) => entry.leaseId));
    for (const entry of entriesIn(before.queue)) {
      if (!left.has(entry.leaseId) || !isFit(entry, look) || places!.get(entry.leaseId)!.order >= own) continue;
      this.#report("Q1", `${leaseId} was granted ${key} (${caller.script}) before ${entry.leaseId}, which waits`, key);
    }
    if (look.isRecovering) this.#report("Q2", `${leaseId} was granted ${key} in a recovery window`, key);
    const asked = caller.script === "acquire" && caller.lockerId === lockerOf(leaseId);
    if (!asked) this.#judgeHandOff(leaseId, { key, before, after }, look, caller);
  }

  #judgeHandOff(leaseId: string, { key, before }: Change, look: Look, { script, lockerId }: Caller): void {
    const entry = entriesIn(before.queue).find((one) => one.leaseId === leaseId);
    const what = `${leaseId} was granted ${key} by ${lockerId}'s ${script}`;
    if (!entry) return this.#report("Q2", `${what}, and did not wait for it`, key);
    const listeners = entry.channel === "" ? "no channel" : `${look.listeners(entry.channel)} listeners`;
    const state = `of era ${entry.era}, fit for ${entry.fitUntilMs - look.nowMs} ms, ${listeners}`;
    if (!isFit(entry, look)) this.#report("Q2", `${what} in era ${look.era}; its entry: ${state}`, key);
  }

  /** `granted`: those who have the key by this script. `isDead`: whether that session is condemned, or not there. */
  after(
    change: Change,
    look: Look,
    { caller, granted, isDead }: { caller: Caller; granted: ReadonlySet<string>; isDead(sessionId: string): boolean },
    isRefused = false,
  ): void {
    const { key, before, after } = change;
    const left = entriesIn(after.queue);
    const stays = new Set(left.map(({ leaseId }) => leaseId));
    for (const { leaseId, sessionId, era } of entriesIn(before.queue)) {
      if (stays.has(leaseId) || granted.has(leaseId) || lockerOf(leaseId) === caller.lockerId) continue;
      if (era === look.era && !isDead(sessionId))
        this.#report("Q6", `${caller.lockerId}'s ${caller.script} took ${leaseId} out of the queue, and it lives`, key);
    }
    this.#arrive(key, left);
    if (caller.script !== "release" || isRefused || look.isRecovering) return;
    const waits = grantable(after, look);
    if (waits) this.#report("Q3", `a release left ${key} to nobody, and ${waits.leaseId} waits for it`, key);
  }

  /** Q3: looks at a key in the calm, again and again. */
  watch(change: Pick<Change, "key" | "after">, look: Look, nowMs: number): void {
    const { key, after } = change;
    const waits = look.isRecovering ? undefined : grantable(after, look);
    if (!waits) return void this.#idleSince.delete(key);
    const sinceMs = this.#idleSince.get(key) ?? nowMs;
    this.#idleSince.set(key, sinceMs);
    if (nowMs - sinceMs <= IDLE_MS_MAX) return;
    this.#report("Q3", `${key} could be granted for ${IDLE_MS_MAX} ms, and ${waits.leaseId} waits for it`, key);
  }

  /**
   * Q6: nobody waits any more. `lives`: whether a process with that locker runs. What an older era left behind counts
   * for nothing.
   */
  findForgotten({ changes, era }: Look, lives: (lockerId: string) => boolean): void {
    for (const { key, after } of changes) {
      for (const entry of entriesIn(after.queue)) {
        if (entry.era !== era || !lives(lockerOf(entry.leaseId))) continue;
        this.#report("Q6", `${entry.leaseId} stands in the queue of ${key}, and waits no more`, key);
      }
    }
  }

  onMemoryLoss(): void {
    this.#places.clear();
  }

  /** Who asks again in another era may keep its place or not: then the store's own order counts from there on. */
  #arrive(key: string, entries: readonly EntrySeen[]): void {
    const known = this.#places.get(key) ?? new Map<string, Place>();
    const isOtherEra = entries.some(({ leaseId, era }) => (known.get(leaseId)?.era ?? era) !== era);
    const places = new Map<string, Place>();
    for (const { leaseId, era } of entries) {
      const order = isOtherEra ? undefined : known.get(leaseId)?.order;
      places.set(leaseId, { order: order ?? ++this.#arrivals, era });
    }
    this.#places.set(key, places);
  }
}
