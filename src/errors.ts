import { inspect } from "node:util";
import type { Holder } from "./databases/database.js";

/** Why a lease ended before it was released. */
export type LockErrorCode =
  | "taken-over" // somebody else was granted the key
  | "expired" // no heartbeat, hence no renewal, for lockTtlMs
  | "revoked" // somebody asked for the key back
  | "session-condemned" // peers declared this process dead, and the key could not be kept
  | "store-lost-data" // the store forgot the lease and it could not be written again
  | "unreachable" // the store could not be asked for as long as the lease could live
  | "closed"; // this locker was closed while the job still ran

const ADVICE: Record<LockErrorCode, string> = {
  "taken-over": "Stop this job: another process runs it.",
  expired: "Stop this job, and call heartbeat() at least every lockTtlMs.",
  revoked: "Stop this job: its key was asked back.",
  "session-condemned": "Stop this job: peers took this process for dead (was it frozen or cut off?).",
  "store-lost-data": "Stop this job: the store lost its memory, so somebody else may hold the key.",
  unreachable: "Stop this job: the store was away for longer than the lease could live.",
  closed: "Stop this job: the locker was closed before the job had ended.",
};

export type LockErrorFacts = {
  key: string;
  /** Who holds the key now, where that is known. */
  holder?: Holder | undefined;
  /** How long ago the lease was found lost, ms; 0 in the first error that tells it. */
  lostForMs?: number;
  /** By how much the main thread's event loop was late when the loss was found, ms. */
  eventLoopLagMs?: number;
  cause?: unknown;
};

/** The lease is lost. Thrown by `heartbeat()` and `assertHeld()`; `lease.signal` aborts with it. */
export class LockError extends Error {
  override readonly name = "LockError";
  readonly code: LockErrorCode;
  readonly key: string;
  readonly holder: Holder | undefined;
  readonly lostForMs: number;
  readonly eventLoopLagMs: number;

  constructor(code: LockErrorCode, facts: LockErrorFacts) {
    super(describeLoss(code, facts), facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.key = facts.key;
    this.holder = facts.holder;
    this.lostForMs = facts.lostForMs ?? 0;
    this.eventLoopLagMs = facts.eventLoopLagMs ?? 0;
  }
}

function describeLoss(code: LockErrorCode, facts: LockErrorFacts): string {
  const by = facts.holder ? `, now held by ${describeHolder(facts.holder)}` : "";
  const ago = facts.lostForMs ? `, ${Math.round(facts.lostForMs)} ms ago` : "";
  const lag =
    (facts.eventLoopLagMs ?? 0) >= 100 ? ` The event loop was ${Math.round(facts.eventLoopLagMs!)} ms late.` : "";
  return `Lease of ${JSON.stringify(facts.key)} lost (${code}${by}${ago}).${lag} ${ADVICE[code]}`;
}

/** One line about a holder, for messages. */
export function describeHolder(holder: Holder): string {
  const where = holder.host ? `${holder.host}/${holder.pid}` : `session ${holder.sessionId}`;
  const trace = holder.trace ? ` ${JSON.stringify(holder.trace)}` : "";
  return `${where}${trace} for ${Math.round(holder.heldForMs)} ms`;
}

/**
 * `assertHeld()` cannot know without asking the store. Nothing is lost yet: `await heartbeat()` waits until it is
 * known.
 */
export class LockUnsureError extends Error {
  override readonly name = "LockUnsureError";
  readonly key: string;

  constructor(key: string, released = false) {
    const lease = `the lease of ${JSON.stringify(key)}`;
    const unsure = `Whether ${lease} is still held cannot be known just now; await heartbeat() to wait`;
    super(released ? `Nothing may be done any more under ${lease}: it was released` : unsure);
    this.key = key;
  }
}

/** `mutex()` waited `waitMs` and the key was still held. */
export class LockTimeoutError extends Error {
  override readonly name = "LockTimeoutError";
  readonly key: string;
  readonly holder: Holder;
  readonly waitMs: number;

  constructor(key: string, holder: Holder, waitMs: number) {
    super(`${JSON.stringify(key)} was not free within ${waitMs} ms; held by ${describeHolder(holder)}`);
    this.key = key;
    this.holder = holder;
    this.waitMs = waitMs;
  }
}

/** One of those who wait in a circle: for that key, held by that holder. */
export type WaitInCycle = { key: string; holder: Holder };

/**
 * This wait would never end: it waits for a key whose holder waits, perhaps through others, for a key that this task
 * holds. The one that began to wait last is told; the others go on once it has given back what it holds.
 */
export class DeadlockError extends Error {
  override readonly name = "DeadlockError";
  /** The key that was waited for. */
  readonly key: string;
  /** Begins with this wait; the holder of each waits for the key of the next, that of the last for the first. */
  readonly cycle: readonly WaitInCycle[];

  constructor(key: string, cycle: readonly WaitInCycle[]) {
    const waits = cycle.map((one) => `${JSON.stringify(one.key)} held by ${describeHolder(one.holder)}`).join(", ");
    super(`Waiting for ${JSON.stringify(key)} would never end (${waits}): give back what this task holds, then retry`);
    this.key = key;
    this.cycle = cycle;
  }
}

/** This task holds the key already. */
export class ReentryError extends Error {
  override readonly name = "ReentryError";
  readonly key: string;

  constructor(key: string) {
    super(`${JSON.stringify(key)} is held by this very task; with reentrant: true it would get the same lease`);
    this.key = key;
  }
}

/** The key is in use in a way that does not go with what was asked. It was not acquired. */
export class LockModeError extends Error {
  override readonly name = "LockModeError";
  readonly key: string;
  readonly option: string;
  readonly value: unknown;
  readonly rule: string;
  /** One who holds it so and lives; undefined when it is a waiter's use, or this task's own. */
  readonly holder: Holder | undefined;

  constructor(key: string, option: string, value: unknown, rule: string, holder?: Holder) {
    const by = holder ? `; held by ${describeHolder(holder)}` : "";
    super(`${option} (${show(value)}) of ${JSON.stringify(key)} ${rule}${by}`);
    this.key = key;
    this.option = option;
    this.value = value;
    this.rule = rule;
    this.holder = holder;
  }

  /** The same, with one who stands in the way. */
  heldBy(holder: Holder): LockModeError {
    return new LockModeError(this.key, this.option, this.value, this.rule, holder);
  }
}

/** The process drains: heartbeats throw it so that jobs stop at a good point, and nothing new is acquired. */
export class DrainingSignal extends Error {
  override readonly name = "DrainingSignal";
  readonly reason: string;

  constructor(reason: string) {
    super(`Draining (${reason}): stop this job at a good point`);
    this.reason = reason;
  }
}

/** The locker was closed. */
export class LockerClosedError extends Error {
  override readonly name = "LockerClosedError";

  constructor() {
    super("The locker is closed");
  }
}

/** An option or argument breaks a rule. */
export class OptionError extends TypeError {
  override readonly name = "OptionError";
  readonly option: string;
  readonly value!: unknown;
  readonly rule: string;

  constructor(option: string, value: unknown, rule: string) {
    super(`${option} (${show(value)}) ${rule}`);
    this.option = option;
    // To be read, but not printed with the error: it may be a URL with a password.
    Object.defineProperty(this, "value", { value, enumerable: false });
    this.rule = rule;
  }
}

function show(value: unknown): string {
  const isText = typeof value === "string";
  const raw = isText ? value : inspect(value, { depth: 1, breakLength: Infinity });
  const text = withoutPasswords(raw);
  const short = text.length > 60 ? `${text.slice(0, 60)}… ${text.length} characters` : text;
  return isText ? JSON.stringify(short) : short;
}

/** Messages end in logs. Up to the last @: passwords that should have been escaped may hold any sign. */
function withoutPasswords(text: string): string {
  return text
    .replace(/((?:^|:\/\/)[^:/@\s]*:)(?!\/\/)\S*@/g, "$1***@")
    .replace(/(pass(?:word)?["']?[:=]\s*)(?:"[^"]*"|'[^']*'|[^\s&,]+)/gi, "$1***");
}

export type StoreErrorCode =
  | "unreachable" // no connection, or no answer in time
  | "denied" // wrong password, no password, or a right that is missing
  | "read-only" // the server is a replica
  | "unreplicated" // fewer replicas than were asked for have what was granted
  | "foreign-value" // a value that is not ours lies under our key
  | "out-of-memory" // the store has no memory left for a grant
  | "eviction-policy" // the store may drop our records when memory runs short
  | "unsupported" // a server too old, or one that refuses a command we need
  | "newer-version"; // a newer pulselock has written this record

/** Codes that waiting does not mend: an acquire is told at once. */
const LASTING: ReadonlySet<StoreErrorCode> = new Set([
  "denied",
  "eviction-policy",
  "unsupported",
  "newer-version",
  "foreign-value",
]);

/** The store could not be asked, or refused. `cause` keeps what the driver said. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get isLasting(): boolean {
    return LASTING.has(this.code);
  }
}
