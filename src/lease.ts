export type LeaseState = "held" | "lost" | "unsure";

/** The job's call: "still working; do I still hold it?" */
export interface Heartbeat {
  /**
   * Resolves when the lease is held. Costs no I/O while that is certain anyhow; else waits until it is known again,
   * at most lockTtlMs. Rejects with LockError when the lease is lost, with DrainingSignal when the process drains.
   */
  (): Promise<void>;
  /** Sleeps and beats. Rejects like heartbeat(), as soon as there is a reason to. */
  delay(ms: number): Promise<void>;
  /**
   * Beats until `promise` settles, for a job that is one long await, and passes its outcome on. Rejects with
   * LockError as soon as the lease is lost; what becomes of `promise` is then its own affair. A drain does not
   * interrupt it.
   */
  during<T>(promise: PromiseLike<T>): Promise<T>;
}

/** What a holder has in hand. */
export interface Lease extends AsyncDisposable {
  readonly key: string;
  /**
   * Larger than that of every earlier holder of this key. Hand it to whatever the job writes to, to refuse older ones.
   */
  readonly fencingToken: number;
  readonly heartbeat: Heartbeat;
  /**
   * Synchronous, no I/O: throws LockError when the lease is lost, LockUnsureError when that cannot be known just now.
   */
  assertHeld(): void;
  readonly state: LeaseState;
  /** Aborts with the LockError when the lease is lost, or with the DrainingSignal when a drain runs out of patience. */
  readonly signal: AbortSignal;
  /**
   * Gives the key back. A second call does nothing. Never rejects: what the store does not hear now it is told later.
   */
  release(): Promise<void>;
}
