// Judges grants and what the lockers say of them: tokens, and who may have a key beside whom.

import { standing, type Change, type Look, type Report } from "./look.js";
import { holdersIn, lockerOf, type HolderSeen, type ModeSeen } from "./records-seen.js";

/** A lease as the store granted it. `last`: the end of its block of tokens, as its holder was told. */
export type GrantSeen = {
  readonly lease: string;
  readonly token: number;
  readonly last: number;
  readonly mode: ModeSeen;
  readonly atMs: number;
  /** The largest token of its block that a job was given. */
  handed: number;
};

/** A lease in a job's hands, wherever. */
export type HeldSomewhere = {
  readonly who: string;
  readonly leaseId: string;
  readonly lease: { readonly key: string; readonly fencingToken: number; readonly state: string };
  readonly mode?: ModeSeen;
  readonly units?: number;
  readonly limit?: number;
};

type GrantFacts = { readonly nowMs: () => number; readonly held: () => Iterable<HeldSomewhere> };

export class GrantOracle {
  readonly #report: Report;
  readonly #facts: GrantFacts;
  readonly #grants = new Map<string, GrantSeen[]>();
  readonly #handed = new Map<string, Set<number>>();

  constructor(report: Report, facts: GrantFacts) {
    this.#report = report;
    this.#facts = facts;
  }

  /** The last grant of a key, for what is printed. */
  last(key: string): GrantSeen | undefined {
    return this.#grants.get(key)?.at(-1);
  }

  /** Who has the key now and did not have it before, or had it under a mark, or has another token. */
  newHolders({ key, before, after }: Change, { era }: Look): HolderSeen[] {
    const known = new Map(holdersIn(before.lease).map((one) => [one.leaseId, one]));
    return holdersIn(after.lease).filter((holder) => {
      const earlier = known.get(holder.leaseId);
      const isAnew = earlier?.isRevoked === true && !holder.isRevoked;
      if (earlier?.token === holder.token && earlier.mode === holder.mode && !isAnew) return false;
      if (earlier?.era === era && holder.mode === earlier.mode && !earlier.isRevoked)
        this.#report("S3", `${holder.leaseId} had token ${earlier.token}, and has ${holder.token}`, key);
      return true;
    });
  }

  /** S1, S2, Q5: somebody was granted the key, whichever script did it. False: an old grant, written again. */
  onGrant(holder: HolderSeen, { key, before, after }: Change, look: Look, lasts: ReadonlyMap<number, number>): boolean {
    const { leaseId, token, mode } = holder;
    const grants = this.#grants.get(key) ?? [];
    this.#grants.set(key, grants);
    const latest = grants.at(-1);
    const known = grants.findLast((grant) => grant.lease === leaseId && grant.token === token);
    if (known && mode !== "permits") {
      if (look.fence < known.handed)
        this.#report("Q5", `${leaseId} handed ${known.handed} on, and the fence is ${look.fence}`, key);
      return false;
    }
    const last = Math.max(token, lasts.get(token) ?? 0);
    // One script may let it in beside a reader, and release that one after.
    const isShared = [before, after].some(({ lease }) =>
      standing(lease, look).some((other) => other.leaseId !== leaseId && other.token === token),
    );
    const joins = mode === "shared" && isShared && latest?.token === token;
    const endMs = grants.reduce((most, grant) => Math.max(most, grant.last), 0);
    const isLarger = Number.isSafeInteger(token) && token > endMs;
    if (mode !== "permits" && !isLarger && !joins)
      this.#report("S2", `${leaseId} got token ${token} after ${endMs}`, key);
    if (mode !== "permits" && look.fence < last)
      this.#report("Q5", `${leaseId} got tokens ${token} to ${last}, and the fence is ${look.fence}`, key);
    this.#askEverybody(key, { token, last, mode, leaseId });
    grants.push({ lease: leaseId, token, last, mode, atMs: this.#facts.nowMs(), handed: 0 });
    return true;
  }

  /** Q4: what the record of a key says, whoever wrote it. */
  afterScript({ key, after }: Change, look: Look): void {
    const holders = standing(after.lease, look);
    const [first] = holders;
    if (!first) return;
    const words = holders.map(({ leaseId, mode, units, token }) => `${leaseId} (${mode} ${units}, ${token})`).join();
    const used = holders.reduce((sum, { units }) => sum + units, 0);
    if (first.mode === "exclusive" && holders.length > 1) this.#report("Q4", `${key} is held by ${words}`, key);
    if (first.mode === "permits" && used > first.limit)
      this.#report("Q4", `${used} of ${first.limit} permits of ${key} are out: ${words}`, key);
  }

  /** A job was given a lease. A process hands a lease on to its own jobs, each under the next token of its block. */
  handed(who: string, key: string, token: number, mode: ModeSeen): void {
    if (mode !== "exclusive") return;
    const handed = this.#handed.get(key) ?? new Set();
    this.#handed.set(key, handed);
    if (handed.has(token)) this.#report("Q5", `${who} gave ${token} of ${key} to a second job`, key);
    handed.add(token);
    const grant = this.#find(key, token);
    if (!grant) return; // what it says of it will be judged
    if (token < grant.handed) this.#report("Q5", `${who} gave out ${token} of ${key} after ${grant.handed}`, key);
    grant.handed = Math.max(grant.handed, token);
  }

  /** The locker says that the lease is held, now. */
  yes(who: string, key: string, token: number, mode: ModeSeen): void {
    const grants = this.#grants.get(key) ?? [];
    if (mode === "permits") return this.#countPermits(key, `${who} said yes`);
    const mine = grants.findLastIndex((grant) => isOf(grant, token));
    const later = grants.slice(mine + 1).find((grant) => grant.lease !== grants[mine]?.lease);
    if (mine < 0) this.#report("S1", `${who} holds ${key} under token ${token}, which was never granted`, key);
    else if (later) {
      const agoMs = (this.#facts.nowMs() - later.atMs).toFixed(1);
      this.#report("S1", `${who} said yes under token ${token}, ${agoMs} ms after ${later.token} was granted`, key);
    } else if (token < grants[mine]!.handed)
      this.#report(
        "S1",
        `${who} said yes under ${token} of ${key}, which it handed on as ${grants[mine]!.handed}`,
        key,
      );
  }

  /**
   * In the very instant of a grant: whoever would now say that it holds the key says it falsely. Also a process that is
   * stopped or blocked: what it would say depends on its clock and its memory alone.
   */
  #askEverybody(key: string, grant: { token: number; last: number; mode: ModeSeen; leaseId: string }): void {
    for (const { who, lease, mode = "exclusive" } of this.#facts.held()) {
      if (lease.key !== key || lease.state !== "held") continue;
      if (mode === grant.mode && (mode === "permits" || isOf(grant, lease.fencingToken))) continue;
      const what = `${grant.token} (${grant.mode}) is granted while ${who} holds ${key}`;
      this.#report("S1", `${what} under token ${lease.fencingToken} (${mode})`, key);
    }
    if (grant.mode === "permits") this.#countPermits(key, `${lockerOf(grant.leaseId)} was granted some`);
  }

  /** S1 of permits: never do more jobs believe in one than there are. */
  #countPermits(key: string, when: string): void {
    let [units, limit] = [0, Infinity];
    for (const held of this.#facts.held()) {
      if (held.lease.key !== key || held.mode !== "permits" || held.lease.state !== "held") continue;
      units += held.units ?? 1;
      limit = Math.min(limit, held.limit ?? Infinity);
    }
    if (units > limit) this.#report("S1", `${units} of ${limit} permits of ${key} are believed in when ${when}`, key);
  }

  #find(key: string, token: number): GrantSeen | undefined {
    return this.#grants.get(key)?.findLast((grant) => isOf(grant, token));
  }
}

function isOf(grant: { token: number; last: number }, token: number): boolean {
  return grant.token <= token && token <= grant.last;
}
