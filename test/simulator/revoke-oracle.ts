// Judges what becomes of leases whose holders were asked to give them back.

import type { Report } from "./look.js";
import { PREFIX } from "./prefix.js";

/** In the calm a holder has heard of it by then, ms: two pings, and the judgement of its leases. */
const TOLD_MS_MAX = 700;
/** For so long a process may know that a lease was taken from it and not which, while its store is away, ms. */
const UNJUDGED_MS_MAX = 3_000;

type Revoked = {
  readonly key: string;
  /** By whom, and when for the last time. */
  by: string;
  readonly atMs: number;
  /** By force: its holder's next ping tells it. */
  isMarked: boolean;
  /** When it was marked last, also by a store that has forgotten it since. */
  readonly takenAtMs: number;
  /** Somebody listened, which in the calm is the holder. */
  wasHeard: boolean;
  /** Granted since: what its revoker is told later is told of the lease before. */
  isAnew: boolean;
  /** Who revoked it was told that it was given back or taken. */
  hasEnded: boolean;
};

type HeldNow = { readonly who: string; readonly leaseId: string; readonly lease: { readonly state: string } };

/** Leases are named as in the store, `<locker id>#<number>`. */
export class RevokeOracle {
  readonly #report: Report;
  readonly #nowMs: () => number;
  readonly #revoked = new Map<string, Revoked>();

  constructor(report: Report, nowMs: () => number) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  /** The script `revoke`, by that locker. */
  onScript(by: string, keys: readonly string[], args: readonly string[], reply: unknown): void {
    const [status, , element] = reply as [string, string, string[] | undefined];
    const [what, heard] = element ?? [];
    if (status !== "ok" || (what !== "asked" && what !== "marked")) return;
    const leaseId = `${args[8]}#${args[9]}`;
    const earlier = this.#revoked.get(leaseId);
    const isMarked = what === "marked" || earlier?.isMarked === true;
    const key = keys[2]!.slice(`${PREFIX}l:`.length);
    const now = { by, atMs: this.#nowMs(), isAnew: false, isMarked, wasHeard: what === "asked" && heard === "1" };
    const takenAtMs = what === "marked" ? this.#nowMs() : (earlier?.takenAtMs ?? -Infinity);
    this.#revoked.set(leaseId, { key, hasEnded: earlier?.hasEnded ?? false, takenAtMs, ...now });
  }

  /** What `revoke()` of that locker answered, which was called then. */
  onAnswer(by: string, key: string, status: string, calledAtMs: number): void {
    if (status !== "released" && status !== "forced") return;
    for (const revoked of this.#revoked.values()) {
      if (revoked.by === by && revoked.key === key && revoked.atMs >= calledAtMs) revoked.hasEnded = !revoked.isAnew;
    }
  }

  /**
   * Whether it was taken by force; or another of the same locker lately, which may not have known yet which of them it
   * was when the store lost its memory, and then writes none of them again.
   */
  mayBeTaken(leaseId: string): boolean {
    const locker = leaseId.slice(0, leaseId.lastIndexOf("#") + 1);
    const sinceMs = this.#nowMs() - UNJUDGED_MS_MAX;
    const isOfSame = ([id, { takenAtMs }]: [string, Revoked]): boolean => id.startsWith(locker) && takenAtMs > sinceMs;
    return this.#revoked.get(leaseId)?.isMarked === true || [...this.#revoked].some(isOfSame);
  }

  /** Who waits is granted its key anew under the same id, when it never heard of the grant that was taken from it. */
  onGrant(leaseId: string): void {
    const revoked = this.#revoked.get(leaseId);
    if (!revoked) return;
    revoked.isMarked = revoked.wasHeard = revoked.hasEnded = false;
    revoked.isAnew = true;
  }

  /** R1: what was given back or taken is held no more. */
  yes(who: string, leaseId: string): void {
    const revoked = this.#revoked.get(leaseId);
    if (revoked?.hasEnded) this.#report("R1", `${who} holds ${leaseId}, which was revoked and ended`, revoked.key);
  }

  /** R2: nobody hears "revoked" of what nobody asked for. */
  lost(who: string, key: string, leaseId: string): void {
    if (!this.#revoked.has(leaseId)) this.#report("R2", `${who} was told that ${leaseId} is revoked: by nobody`, key);
  }

  /** R3: looks in the calm, which began then, again and again. */
  watch(held: Iterable<HeldNow>, calmSinceMs: number): void {
    for (const { who, leaseId, lease } of held) {
      const revoked = this.#revoked.get(leaseId);
      if (!revoked || lease.state !== "held") continue;
      if (!revoked.isMarked && !(revoked.wasHeard && revoked.atMs >= calmSinceMs)) continue;
      const sinceMs = Math.max(revoked.atMs, calmSinceMs);
      if (this.#nowMs() - sinceMs <= TOLD_MS_MAX) continue;
      this.#report("R3", `${who} was not told within ${TOLD_MS_MAX} ms that ${leaseId} is revoked`, revoked.key);
    }
  }

  /** The store has forgotten whom it asked, and the living may write again what they hold. */
  onMemoryLoss(): void {
    for (const revoked of this.#revoked.values()) {
      revoked.isMarked = revoked.wasHeard = revoked.hasEnded = false;
      revoked.by = "";
    }
  }
}
