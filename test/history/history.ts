// What happened, as the processes under test saw it. Both harnesses write it: real processes (test/chaos) and simulated
// ones (test/simulator); one checker reads it.

/** Common to all. `atMs`: one monotonic clock for all processes, ms with a fraction. */
type Base = {
  readonly atMs: number;
  /** One run of one process: a process that was started again is another. */
  readonly process: string;
};

/** One acquire, from its call to its end: `attempt` is unique within the process. */
type OfAttempt = Base & { readonly key: string; readonly attempt: number };
/** A lease in the caller's hands. */
type OfLease = OfAttempt & { readonly token: number };

export type LeaseMode = "exclusive" | "shared" | "permits";
/** How many were taken of how many. */
export type PermitsTaken = { readonly take: number; readonly limit: number };

export type HistoryEvent =
  /** Written before acquire() is called. `waits`: it queues when the key is taken. */
  | (OfAttempt & { readonly kind: "acquire-called"; readonly waits?: boolean })
  /** Written after it resolved with a lease. Without a mode it is exclusive. */
  | (OfLease & { readonly kind: "acquired"; readonly mode?: LeaseMode; readonly permits?: PermitsTaken })
  /** SOMEONE_ELSE_HOLDS_LOCK, and under which token. */
  | (OfAttempt & { readonly kind: "busy"; readonly holderToken: number })
  | (OfAttempt & { readonly kind: "acquire-failed"; readonly error: string })
  /**
   * heartbeat() or assertHeld() answered. `atMs` was read before the call, `afterMs` when its answer was in hand; the
   * instant that the answer speaks of lies between. "lost" is a LockError, "unsure" a LockUnsureError.
   */
  | (OfLease & { readonly kind: "check"; readonly afterMs: number; readonly answer: "yes" | "lost" | "unsure" })
  /** lease.signal aborted with a LockError of that code. */
  | (OfLease & { readonly kind: "aborted"; readonly code: string })
  /**
   * Written to the guarded resource under the lease; refused: the resource had seen a larger token. `atMs` was read
   * when its answer was in hand, `beganMs` before it was asked; one lease writes one after another.
   */
  | (OfLease & {
      readonly kind: "write";
      readonly value: number;
      readonly accepted: boolean;
      readonly fenced: boolean;
      readonly beganMs?: number;
    })
  | (OfLease & { readonly kind: "release-called" })
  /** True: the package said so; false where it says nothing, as lease.release() does. */
  | (OfLease & { readonly kind: "released"; readonly heldToTheEnd: boolean })
  /** What no process may ever do: an unhandled rejection, an uncaught exception. */
  | (Base & { readonly kind: "crashed"; readonly error: string })
  | (Base & { readonly kind: "closed"; readonly tookMs: number })
  /** Written by the harness: a fault begins or ends, a process starts or was killed. */
  | (Base & {
      readonly kind: "fault";
      readonly fault: string;
      readonly target: string;
      readonly begins: boolean;
      /** How strong, when that says what may follow: a clock's step, ms. */
      readonly value?: number;
    })
  | (Base & { readonly kind: "started" | "killed" });

/** The first thing that must not have happened. */
export type Violation = {
  /**
   * The invariant that is broken: S1 … S6, L1 … L5, Q1 (the order of waiters), Q4 (permits), "fence" (the guarded
   * resource), "release", "close", "leak".
   */
  readonly rule: string;
  readonly atMs: number;
  readonly key?: string;
  readonly what: string;
};
