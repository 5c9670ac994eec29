import type { Heartbeat, Lease, LeaseState } from "./lease.js";
import { joinSignals } from "./signals.js";

/** Several leases as one: held when all of them are, lost when one of them is. */
export interface LeaseGroup extends AsyncDisposable {
  /** In the order in which they were asked for. */
  readonly leases: readonly Lease[];
  /** As that of a lease, for all of them. */
  readonly heartbeat: Heartbeat;
  /** As that of a lease: throws when it is not certain that all are held. */
  assertHeld(): void;
  readonly state: LeaseState;
  /** Aborts when one of them is lost, with its LockError, or with the DrainingSignal. */
  readonly signal: AbortSignal;
  /** Gives all of them back. A second call does nothing. Never rejects. */
  release(): Promise<void>;
}

export class HeldGroup implements LeaseGroup {
  readonly leases: readonly Lease[];
  readonly heartbeat: Heartbeat;
  readonly signal: AbortSignal;
  readonly #end: () => Promise<void>;
  #ended: Promise<void> | undefined;

  /** `end`: gives them back. */
  constructor(leases: readonly Lease[], end: () => Promise<unknown>) {
    const lost = joinSignals(leases.map(({ signal }) => signal));
    this.leases = leases;
    this.signal = lost.signal;
    this.#end = () => end().then(() => lost.dispose());
    const all = (beat: (lease: Lease) => Promise<unknown>) => Promise.all(leases.map(beat));
    this.heartbeat = Object.assign(async () => void (await all(({ heartbeat }) => heartbeat())), {
      delay: async (ms: number) => void (await all(({ heartbeat }) => heartbeat.delay(ms))),
      during: async <T>(promise: PromiseLike<T>) => {
        await all(({ heartbeat }) => heartbeat.during(promise));
        return promise;
      },
    });
  }

  get state(): LeaseState {
    const states = this.leases.map(({ state }) => state);
    if (states.includes("lost")) return "lost";
    return states.includes("unsure") ? "unsure" : "held";
  }

  assertHeld(): void {
    for (const lease of this.leases) lease.assertHeld();
  }

  release(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** A lease that is nothing without others: those above it in a hierarchy. */
export class ScopedLease extends HeldGroup implements Lease {
  readonly key: string;
  readonly fencingToken: number;

  constructor(lease: Lease, above: readonly Lease[], end: () => Promise<unknown>) {
    super([lease, ...above], end);
    this.key = lease.key;
    this.fencingToken = lease.fencingToken;
  }
}
