import { check, checkCount, checkDuration, checkLockTtl, checkNames, isPlainObject } from "./options.js";

const KEY_BYTES_MAX = 1024;
const TRACE_BYTES_MAX = 1024;

/** Durations are whole milliseconds unless they say otherwise. A value that breaks a rule is an OptionError. */
export type AcquireOptions = {
  /** Free text shown with the holder, at most 1 KiB. Default "". */
  trace?: string;
  /** For this lease alone. Default: that of the locker, see LockerOptions. */
  lockTtlMs?: number;
  /** Ends the wait: acquire rejects with its reason, and leaves nothing held. A lease that was granted stays. */
  signal?: AbortSignal;
  /** How long to wait for a holder, ms; Infinity for ever. Default 0 (mutex: Infinity). */
  waitMs?: number;
  /**
   * "exclusive" (default: the safe one): nobody else holds the key. "shared": any number hold it shared, nobody
   * exclusively; who waits for it exclusively is not overtaken by later readers.
   */
  mode?: "exclusive" | "shared";
  /** The key is a pool of permits instead of one lease; without `mode`. LockModeError when the key is in other use. */
  permits?: PermitOptions;
  /**
   * Once a job has succeeded its key stays taken until so long after the grant, ms, so that what many processes start
   * at about the same time runs once. A job that throws frees its key at once. Of a lease of `acquire` nobody knows
   * how its job went: its release counts as a success, also that of `await using` after a throw; so does a release by
   * the job itself. A lease that was lost, or that ends with its process, is not kept. Exclusive keys only. Default 0:
   * free at once.
   */
  minHoldMs?: number;
  /**
   * "doc/12/para/7" holds "doc", "doc/12" and "doc/12/para" shared, and itself in `mode`: who holds any of them
   * exclusively holds all that lies under it. Default false: "/" is a character like others.
   */
  hierarchical?: boolean;
  /**
   * What acquiring a key does that this task holds already: with true its own lease comes back, and its end stays the
   * outer job's affair. Default false, a ReentryError: to count on holding it alone in two places is mostly a mistake.
   */
  reentrant?: boolean;
};

export type PermitOptions = {
  /** How many there are, the same for everybody who uses the key: another limit is a LockModeError. */
  limit: number;
  /** How many to take at once. Default 1. */
  take?: number;
  /** How many this locker has at most at a time, so that no process hoards them. Default `limit`. At least `take`. */
  perProcess?: number;
};

/** For acquireAll; see AcquireOptions. */
export type AcquireAllOptions = Pick<AcquireOptions, "trace" | "lockTtlMs" | "signal" | "waitMs">;

const KNOWN_OF_ALL = new Set(["trace", "lockTtlMs", "signal", "waitMs"]);
const KNOWN_OF_ACQUIRE = new Set([...KNOWN_OF_ALL, "mode", "permits", "minHoldMs", "hierarchical", "reentrant"]);
const KNOWN_OF_PERMITS = new Set(["limit", "take", "perProcess"]);

export function checkAcquire(key: string, options: AcquireOptions, sessionTtlMs: number): void {
  checkKey(key);
  checkNames(options, KNOWN_OF_ACQUIRE);
  checkWait(options, sessionTtlMs);
  const { mode, permits, minHoldMs = 0, hierarchical = false, reentrant = false } = options;
  checkMode("mode", mode);
  if (permits !== undefined) checkPermits(permits);
  check(permits === undefined || mode === undefined, "permits", permits, "cannot go with mode: permits are one");
  checkDuration("minHoldMs", minHoldMs, 0);
  const isExclusive = permits === undefined && mode !== "shared";
  check(minHoldMs === 0 || isExclusive, "minHoldMs", minHoldMs, "needs an exclusive lease");
  check(typeof hierarchical === "boolean", "hierarchical", hierarchical, "must be true or false");
  check(typeof reentrant === "boolean", "reentrant", reentrant, "must be true or false");
  if (hierarchical) checkHierarchical(key, options);
}

export function checkAcquireAll(options: AcquireAllOptions, sessionTtlMs: number): void {
  checkNames(options, KNOWN_OF_ALL);
  checkWait(options, sessionTtlMs);
}

export function checkKey(key: string): void {
  check(typeof key === "string" && key !== "", "key", key, "must be a non-empty string");
  check(Buffer.byteLength(key) <= KEY_BYTES_MAX, "key", key, `must be at most ${KEY_BYTES_MAX} bytes in UTF-8`);
  check(
    key.isWellFormed(),
    "key",
    key,
    "must be well-formed: lone surrogates of two keys would look alike in the store",
  );
}

export function checkMode(option: string, mode: AcquireOptions["mode"]): void {
  const isKnown = mode === undefined || mode === "exclusive" || mode === "shared";
  check(isKnown, option, mode, 'must be "exclusive" or "shared"');
}

function checkWait(options: AcquireAllOptions, sessionTtlMs: number): void {
  const { trace = "", lockTtlMs, signal, waitMs = 0 } = options;
  const isShort = typeof trace === "string" && Buffer.byteLength(trace) <= TRACE_BYTES_MAX;
  check(isShort, "trace", trace, "must be text of ≤ 1 KiB");
  if (lockTtlMs !== undefined) {
    checkDuration("lockTtlMs", lockTtlMs, 1);
    checkLockTtl(lockTtlMs, sessionTtlMs);
  }
  check(typeof waitMs === "number" && waitMs >= 0, "waitMs", waitMs, "must be a number of ms ≥ 0, or Infinity");
  check(signal === undefined || signal instanceof AbortSignal, "signal", signal, "must be an AbortSignal");
}

function checkPermits(permits: PermitOptions): void {
  check(isPlainObject(permits), "permits", permits, "must be a plain object of limit, take and perProcess");
  checkNames(permits, KNOWN_OF_PERMITS, "permits.");
  const { limit, take = 1, perProcess = limit } = permits;
  checkCount("permits.limit", limit, 1);
  checkCount("permits.take", take, 1);
  check(take <= limit, "permits.take", take, `must be at most permits.limit (${limit})`);
  checkCount("permits.perProcess", perProcess, 1);
  check(perProcess >= take, "permits.perProcess", perProcess, `must be at least permits.take (${take})`);
  check(perProcess <= limit, "permits.perProcess", perProcess, `must be at most permits.limit (${limit})`);
}

function checkHierarchical(key: string, { permits, minHoldMs = 0, reentrant = false }: AcquireOptions): void {
  const isPath = key.split("/").every((name) => name !== "");
  check(isPath, "key", key, "must be names joined by single slashes when hierarchical");
  check(permits === undefined, "hierarchical", true, "cannot go with permits");
  check(minHoldMs === 0, "hierarchical", true, "cannot go with minHoldMs: what lies above would be free meanwhile");
  check(!reentrant, "hierarchical", true, "cannot go with reentrant");
}
