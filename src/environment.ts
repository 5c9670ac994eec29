import { defaultDatabaseUrl } from "./databases/default-database.js";
import { openUrl } from "./databases/open.js";
import { check } from "./options.js";
import type { LockerOptions } from "./options.js";
import { OptionError } from "./errors.js";

const PREFIX = "PULSELOCK_";

type Variable = { option: string; read(text: string, name: string): Partial<LockerOptions> };

/** Each variable, which option it sets, and how its text is read. Ranges are the affair of the options themselves. */
const VARIABLES: Record<string, Variable> = {
  URL: { option: "database", read: () => ({}) }, // read where a locker without a database reads it
  FALLBACK_URL: { option: "fallback", read: () => ({}) },
  PREFIX: { option: "prefix", read: () => ({}) },
  ENABLED: { option: "enabled", read: (text, name) => ({ enabled: readSwitch(text, name) }) },
  LOCK_TTL_MS: number("lockTtlMs"),
  SESSION_TTL_MS: number("sessionTtlMs"),
  PING_INTERVAL_MS: number("pingIntervalMs"),
  DISCONNECT_GRACE_MS: number("disconnectGraceMs"),
  ACQUIRE_TIMEOUT_MS: number("acquireTimeoutMs"),
  DRAIN_TIMEOUT_MS: number("drainTimeoutMs"),
  DRAIN_ABORT_MS: number("drainAbortMs"),
  CLOSE_TIMEOUT_MS: number("closeTimeoutMs"),
  KILL_AFTER_MS: number("killAfterMs"),
  WHEN_UNSURE: word("whenUnsure"),
  SEPPUKU: word("seppuku"),
  DRAIN_ON: { option: "drainOn", read: (text) => ({ drainOn: readList(text) as NodeJS.Signals[] }) },
  LABELS: { option: "labels", read: (text, name) => ({ labels: readLabels(text, name) }) },
  LOCAL_HAND_OFFS: {
    option: "localHandOffs.count",
    read: (text, name) => ({ localHandOffs: { count: readNumber(text, name) } }),
  },
  WORKER_PATH: word("workerPath"),
};

/** Each variable's whole name and option. The first of a database's that is set is the one that counts. */
const SOURCES: readonly [name: string, option: string][] = [
  ...Object.entries(VARIABLES).map(([name, { option }]): [string, string] => [PREFIX + name, option]),
  ["REDIS_URL", "database"],
];

export type Environment = Record<string, string | undefined>;

/**
 * These options, completed by those that the environment gives: PULSELOCK_LOCK_TTL_MS for lockTtlMs, and so on, and the
 * database that a locker without one has. A variable that is empty counts as not set, as those of container files are.
 * Throws an OptionError that names the variable: for one that begins with PULSELOCK_ and is none of ours, and for a
 * text that cannot be read.
 */
export function withEnvironment(given: Partial<LockerOptions>, env: Environment): LockerOptions {
  const options: LockerOptions = { ...readVariables(env), ...given };
  if (options.enabled === false) return options;
  const prefix = env[`${PREFIX}PREFIX`];
  if ("database" in given) {
    check(!prefix, "prefix", prefix, "is of no use beside the option database: give it to that");
    return options;
  }
  const url = defaultDatabaseUrl(env);
  return { ...options, database: prefix ? openUrl(url, prefix) : url };
}

function readVariables(env: Environment): Partial<LockerOptions> {
  const options: Partial<LockerOptions> = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX)) continue;
    const variable = Object.hasOwn(VARIABLES, name.slice(PREFIX.length)) && VARIABLES[name.slice(PREFIX.length)];
    // Its value is not shown: nobody knows what it is meant to be, a password perhaps.
    if (!variable) throw new OptionError(name, "***", `is none of ${Object.keys(VARIABLES).map((v) => PREFIX + v)}`);
    if (text) Object.assign(options, variable.read(text, name));
  }
  return options;
}

/** Runs what checks the options; an error of one that a variable gave names that variable as well. */
export function blameVariable<T>(env: Environment, given: Partial<LockerOptions>, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    const isGiven = (option: string): boolean => Object.hasOwn(given, option.split(".")[0]!);
    const sourcesOf = (isMeant: (option: string) => boolean): string[] =>
      SOURCES.flatMap(([name, option]) => (env[name] && isMeant(option) && !isGiven(option) ? name : []));
    const [source] = sourcesOf((option) => option === error.option);
    if (source) throw new OptionError(source, error.value, `${error.rule} (option ${error.option})`);
    // A rule about two options, of which the other one is the variable's.
    const others = sourcesOf((option) => new RegExp(`\\b${option}\\b`).test(error.rule));
    if (others.length === 0) throw error;
    throw new OptionError(error.option, error.value, `${error.rule}, as ${others.join(" and ")} has it`);
  }
}

function number(option: keyof LockerOptions): Variable {
  return { option, read: (text, name) => ({ [option]: readNumber(text, name) }) };
}

function word(option: keyof LockerOptions): Variable {
  return { option, read: (text) => ({ [option]: text }) };
}

/** Not by Number() alone, which takes "0x10", "1e3" and " 5 ". */
function readNumber(text: string, name: string): number {
  check(/^-?\d+(\.\d+)?$/.test(text), name, text, "must be a number");
  return Number(text);
}

function readSwitch(text: string, name: string): boolean {
  check(["true", "false", "1", "0"].includes(text), name, text, "must be true, false, 1 or 0");
  return text === "true" || text === "1";
}

function readList(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

function readLabels(text: string, name: string): Record<string, string> {
  const pairs = readList(text).map((pair) => /^([^=]+)=(.*)$/s.exec(pair));
  check(!pairs.includes(null), name, text, "must be like release=v7,zone=b");
  return Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!]));
}
