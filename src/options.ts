import { existsSync } from "node:fs";
import { constants } from "node:os";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import type { Database } from "./databases/database.js";
import { defaultDatabaseUrl } from "./databases/default-database.js";
import { OptionError } from "./errors.js";
import { marginMs, recoveryMsMin } from "./trust.js";

export type ModuleLocation = {
  /** Absolute path, file URL or package name of a module that both threads import. */
  moduleName: string;
  /** Which of its exports is the database. */
  exportName: string;
};

/** Durations are whole milliseconds. */
export type LockerOptions = {
  /**
   * A redis:// or sqlite: URL, a module that exports the database, or a database made from plain options. Default: what
   * PULSELOCK_URL names, else REDIS_URL, else a SQLite file of this user on this host.
   */
  database?: string | ModuleLocation | Database;
  /**
   * How long a lease outlives its last renewal, and so how long a job may go without a heartbeat. Default 300 000: a
   * blocked event loop must not lose a lock, and a dead process is found by its missing pings, not by this. At least
   * sessionTtlMs.
   */
  lockTtlMs?: number;
  /**
   * How long a process may be silent before peers may condemn it. Default 10 000: longer than a bad network's
   * hiccups. More than disconnectGraceMs.
   */
  sessionTtlMs?: number;
  /** How often the worker thread pings. Default 500. At least 20. */
  pingIntervalMs?: number;
  /**
   * The same as sessionTtlMs for a process whose connection is gone, too. Default 1 500: time for a reconnect. At
   * least two pings and the margin (an eighth, at least 200).
   */
  disconnectGraceMs?: number;
  /**
   * How long an acquire waits for an answer of the store before it fails. Default 10 000. With less than the database's
   * recoveryMs the first use of a namespace fails.
   */
  acquireTimeoutMs?: number;
  /** How long drain() waits for jobs before it aborts their signals. Default 30 000. */
  drainTimeoutMs?: number;
  /** How long drain() then waits for the aborted jobs. Default 5 000. */
  drainAbortMs?: number;
  /** How long close() waits for aborted jobs, and as long for the worker. Default 1 000. */
  closeTimeoutMs?: number;
  /**
   * What a heartbeat does that cannot know whether the lease is held: "wait" (default; a passing store error must
   * not end a job) until it knows or lockTtlMs is over, or "abort" the lease.
   */
  whenUnsure?: "wait" | "abort";
  /**
   * What happens to a job that goes on without its lease: "throw" (default) at its next heartbeat, or also "kill"
   * the process when it has not settled in killAfterMs.
   */
  seppuku?: "throw" | "kill";
  /** See seppuku; counted on the worker thread's own running time. Default 10 000. */
  killAfterMs?: number;
  /** Signals on which to drain, close and then end as that signal would. Default none: no listener is added. */
  drainOn?: readonly NodeJS.Signals[];
  /** Free words shown with the holder, e.g. the release. Default {}. */
  labels?: Record<string, string>;
  /**
   * How many waiters of this process get a key one after the other before another process's waiter has its turn
   * (`count`, default 1 000; 0 switches hand-offs inside the process off), and for how long (`ms`, default 50): enough
   * for a thousand short jobs to cost the store nothing, and short against what another process notices.
   */
  localHandOffs?: { count?: number; ms?: number };
  /**
   * False: every acquire succeeds, also of a key that is held, and `database` is not looked at; for deployments of a
   * single process. Said once in the log. Default true.
   */
  enabled?: boolean;
  /** The worker's file, where a bundler has moved it: bundle `pulselock/worker` as an entry of its own. */
  workerPath?: string;
};

export type ResolvedOptions = Required<Omit<LockerOptions, "localHandOffs" | "database">> & {
  database: string | ModuleLocation | Database;
  localHandOffs: LocalHandOffs;
};
export type LocalHandOffs = { count: number; ms: number };

const DURATIONS = {
  lockTtlMs: 300_000,
  sessionTtlMs: 10_000,
  pingIntervalMs: 500,
  disconnectGraceMs: 1_500,
  acquireTimeoutMs: 10_000,
  drainTimeoutMs: 30_000,
  drainAbortMs: 5_000,
  closeTimeoutMs: 1_000,
  killAfterMs: 10_000,
} as const;

const LOCAL_HAND_OFFS: LocalHandOffs = { count: 1_000, ms: 50 };

/** The longest a timer can wait; ten thousand times what anybody needs, and differences stay exact. */
export const DURATION_MS_MAX = 2 ** 31 - 1;
const SESSION_TTL_MS_MAX = 1_800_000;
const LABELS_BYTES_MAX = 4096;

const KNOWN = new Set([
  ...Object.keys(DURATIONS),
  "database",
  "whenUnsure",
  "seppuku",
  "drainOn",
  "labels",
  "localHandOffs",
  "enabled",
  "workerPath",
]);
const KNOWN_OF_HAND_OFFS = new Set(Object.keys(LOCAL_HAND_OFFS));

/** Defaults filled in; an OptionError for the first value that breaks a rule. */
export function resolveOptions(given: LockerOptions): ResolvedOptions {
  if (typeof given !== "object" || given === null) throw new OptionError("options", given, "must be an object");
  checkNames(given, KNOWN);
  const durations = { ...DURATIONS } as Record<keyof typeof DURATIONS, number>;
  for (const name of Object.keys(DURATIONS) as (keyof typeof DURATIONS)[]) {
    const value = given[name];
    if (value !== undefined) checkDuration(name, value, 1);
    durations[name] = value ?? DURATIONS[name];
  }
  checkRelations(durations);
  const { enabled = true } = given;
  checkChoices(given);
  return {
    ...durations,
    database: enabled ? checkDatabase("database" in given ? given.database : defaultDatabaseUrl()) : "memory:",
    whenUnsure: given.whenUnsure ?? "wait",
    seppuku: given.seppuku ?? "throw",
    drainOn: given.drainOn ?? [],
    labels: given.labels ?? {},
    localHandOffs: resolveHandOffs(given.localHandOffs ?? {}),
    enabled,
    workerPath: given.workerPath ?? (enabled ? ownWorkerPath() : ""),
  };
}

function resolveHandOffs(given: NonNullable<LockerOptions["localHandOffs"]>): LocalHandOffs {
  check(isPlainObject(given), "localHandOffs", given, "must be a plain object of count and ms");
  checkNames(given, KNOWN_OF_HAND_OFFS, "localHandOffs.");
  const { count = LOCAL_HAND_OFFS.count, ms = LOCAL_HAND_OFFS.ms } = given;
  checkCount("localHandOffs.count", count, 0);
  checkDuration("localHandOffs.ms", ms, 1);
  return { count, ms };
}

/** Beside this file, unless a bundler has moved it. */
function ownWorkerPath(): string {
  let path = "";
  try {
    path = fileURLToPath(new URL("../worker/thread.cjs", import.meta.url));
  } catch {
    // A bundle that is no ES module does not know where it lies.
  }
  const rule = "must be given in a bundle: the path of the bundled pulselock/worker";
  if (!existsSync(path)) throw new OptionError("workerPath", undefined, rule);
  return path;
}

function checkRelations(o: Record<keyof typeof DURATIONS, number>): void {
  check(o.pingIntervalMs >= 20, "pingIntervalMs", o.pingIntervalMs, "must be at least 20");
  const graceMin = 2 * o.pingIntervalMs + marginMs(o.disconnectGraceMs);
  const graceRule = `must be at least 2 × pingIntervalMs and a margin of an eighth, at least 200 (here ${graceMin})`;
  check(o.disconnectGraceMs >= graceMin, "disconnectGraceMs", o.disconnectGraceMs, graceRule);
  const ttlRule = `must be more than disconnectGraceMs (${o.disconnectGraceMs})`;
  check(o.sessionTtlMs > o.disconnectGraceMs, "sessionTtlMs", o.sessionTtlMs, ttlRule);
  // Session records are kept for an hour, and one that is absent counts as condemned.
  check(o.sessionTtlMs <= SESSION_TTL_MS_MAX, "sessionTtlMs", o.sessionTtlMs, `must be at most ${SESSION_TTL_MS_MAX}`);
  checkLockTtl(o.lockTtlMs, o.sessionTtlMs);
}

function checkChoices(given: LockerOptions): void {
  const { whenUnsure = "wait", seppuku = "throw", drainOn = [], labels = {}, workerPath } = given;
  check(["wait", "abort"].includes(whenUnsure), "whenUnsure", whenUnsure, 'must be "wait" or "abort"');
  check([undefined, true, false].includes(given.enabled), "enabled", given.enabled, "must be true or false");
  check(["throw", "kill"].includes(seppuku), "seppuku", seppuku, 'must be "throw" or "kill"');
  const signals = Array.isArray(drainOn) && drainOn.every((s) => Object.hasOwn(constants.signals, s));
  check(
    signals && !drainOn.includes("SIGKILL") && !drainOn.includes("SIGSTOP"),
    "drainOn",
    drainOn,
    "must list signals",
  );
  const heard = isMainThread || !signals || drainOn.length === 0;
  check(heard, "drainOn", drainOn, "works in the main thread only: signals reach no other");
  const words = isPlainObject(labels) && Object.values(labels).every((value) => typeof value === "string");
  const fits = words && Buffer.byteLength(JSON.stringify(labels)) <= LABELS_BYTES_MAX;
  check(fits, "labels", labels, `must be a plain object of strings, ${LABELS_BYTES_MAX} bytes of JSON at most`);
  const path = workerPath === undefined || (typeof workerPath === "string" && isAbsolute(workerPath));
  check(path && existsSync(workerPath ?? "."), "workerPath", workerPath, "must be the absolute path of a file");
}

function checkDatabase(database: unknown): ResolvedOptions["database"] {
  const rule = "must be a URL, { moduleName, exportName } or a database";
  if (typeof database === "string") return database;
  if (typeof database !== "object" || database === null) throw new OptionError("database", database, rule);
  if ("openLeases" in database) return database as Database;
  for (const name of ["moduleName", "exportName"] as const) {
    const value = (database as ModuleLocation)[name];
    if (typeof value !== "string" || value === "")
      throw new OptionError(`database.${name}`, value, "must be a non-empty string");
  }
  return database as ModuleLocation;
}

/** The window in which nothing is granted after a loss must outlive all trust from before it. */
export function checkRecovery(database: Database, options: ResolvedOptions): void {
  const least = recoveryMsMin(options.disconnectGraceMs, options.pingIntervalMs);
  const rule = `must be at least disconnectGraceMs less its margin and 2 × pingIntervalMs (here ${least})`;
  check(database.recoveryMs >= least, "recoveryMs", database.recoveryMs, rule);
}

export function checkLockTtl(lockTtlMs: number, sessionTtlMs: number): void {
  check(lockTtlMs >= sessionTtlMs, "lockTtlMs", lockTtlMs, `must be at least sessionTtlMs (${sessionTtlMs})`);
}

/** A misspelt option would be one that silently does nothing. */
export function checkNames(given: object, known: ReadonlySet<string>, within = ""): void {
  check(isPlainObject(given), "options", given, "must be a plain object");
  for (const [name, value] of Object.entries(given)) check(known.has(name), within + name, value, "is not an option");
}

export function isPlainObject(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}

export function checkCount(option: string, value: unknown, least: number, most = DURATION_MS_MAX): void {
  const whole = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  check(whole, option, value, `must be a whole number from ${least} to ${most}`);
}

export function checkDuration(option: string, value: unknown, least: number): void {
  const whole = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= DURATION_MS_MAX;
  check(whole, option, value, `must be a whole number of ms from ${least} to ${DURATION_MS_MAX}`);
}

export function check(holds: boolean, option: string, value: unknown, rule: string): void {
  if (!holds) throw new OptionError(option, value, rule);
}
