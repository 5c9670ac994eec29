import { Batch } from "./batch.js";
import { readInstant, type Clock, type Instant } from "./clock.js";
import type { BatchAnswer, Identity, LeaseAnswer, LeaseStore } from "./databases/database.js";
import type { HeldLease } from "./held-lease.js";
import type { Session, Stamp } from "./session.js";

/** An answer, and what must still be true for it to count. */
export type Judged = { answer: LeaseAnswer; stamp: Stamp; sent: Instant };

type Request = { lease: HeldLease; prolong: boolean };

/**
 * "Is it still ours?", in the words that fit what has happened since the last answer: renew under the same session,
 * re-own from a condemned one, or re-assert after the store lost its memory.
 */
export class Renewals {
  readonly #store: LeaseStore;
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #batch: Batch<Request, Judged>;

  constructor(store: LeaseStore, session: Session, clock: Clock) {
    this.#store = store;
    this.#session = session;
    this.#clock = clock;
    this.#batch = new Batch(clock, (requests) => this.#send(requests));
  }

  /** Rejects when no answer came: then nothing is known. */
  ask(lease: HeldLease, prolong: boolean): Promise<Judged> {
    return this.#batch.add({ lease, prolong });
  }

  async #send(requests: readonly Request[]): Promise<Judged[]> {
    const stamp = this.#session.latest();
    if (!stamp || !this.#session.isLatest(stamp)) throw new Error("the session is changing");
    const { identity } = stamp;
    const sent = readInstant(this.#clock);
    const judged = new Map<Request, Judged>();
    const groups = groupBy(requests, ({ lease }) => kindOf(lease, identity));
    await Promise.all(
      [...groups].map(async ([kind, group]) => {
        const result = await this.#sendGroup(kind, identity, group);
        if (result.status !== "ok") throw new Error(`refused: ${result.status}`);
        group.forEach((request, i) => judged.set(request, { answer: result.answers[i]!, stamp, sent }));
      }),
    );
    return requests.map((request) => judged.get(request)!);
  }

  #sendGroup(kind: Kind, identity: Identity, group: readonly Request[]): Promise<BatchAnswer<LeaseAnswer>> {
    const base = ({ lease, prolong }: Request) => ({
      key: lease.key,
      leaseNumber: lease.leaseNumber,
      fencingToken: lease.grant.recordToken,
      lockTtlMs: prolong ? lease.lockTtlMs : 0,
    });
    if (kind === "renew") return this.#store.renew(identity, group.map(base));
    if (kind === "reown") {
      return this.#store.reown(
        identity,
        group.map((r) => ({ ...base(r), lockTtlMs: r.lease.lockTtlMs })),
      );
    }
    const requests = group.map((r) => {
      const { lockTtlMs, acquiredAtMs, trace, grant } = r.lease;
      const { lastToken, mode, permits } = grant;
      return { ...base(r), lockTtlMs, acquiredAtMs, trace, lastToken, mode, permits };
    });
    return this.#store.reassert(identity, requests);
  }
}

type Kind = "renew" | "reown" | "reassert";

/** Another session first: what a condemned session held may have been taken, so it is never simply written again. */
function kindOf(lease: HeldLease, identity: Identity): Kind {
  if (lease.sessionId !== identity.sessionId) return "reown";
  return lease.era === identity.era ? "renew" : "reassert";
}

/** Map.groupBy, which Node 20 does not have yet. */
function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
