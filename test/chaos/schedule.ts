// A schedule: which faults hit whom and when. Made from a seed, printed as a list, kept as JSON, replayed from either.

import { mulberry32 } from "../support/wait.js";
import { changeFaults } from "./change-faults.js";
import { fleetNames, type FleetName } from "./fleets.js";
import { specOf, themes, type FaultKind, type ThemeName } from "./kinds.js";

export type Fault = {
  /** Since the schedule's start, ms. */
  readonly atMs: number;
  readonly kind: FaultKind;
  /** A process ("p1"), all links ("all"), or "store". */
  readonly target: string;
  readonly durationMs: number;
  /** What the kind needs to know besides: a delay, a number of bytes, a clock's step in ms. */
  readonly value?: number;
  /** Where there are two stores: which of them it hits, or the links to it. Undefined: the only one, or both. */
  readonly store?: 1 | 2;
};

export type Schedule = {
  readonly seed: number;
  readonly backend: string;
  readonly processes: number;
  readonly keys: number;
  /** How long faults begin and last, ms. */
  readonly durationMs: number;
  readonly fleet: FleetName;
  /** Whether the processes take each other for ones on the same host, where a dead one is found by its pid. */
  readonly hosts: "one" | "many";
  readonly theme: ThemeName;
  readonly faults: readonly Fault[];
  /** How many replicas must know before anybody believes in a grant or a ping: all, or (undefined) none. */
  readonly replicas?: number;
};

export type SchedulePlan = {
  readonly backend: string;
  /** Kinds that the backend has and this machine can produce. */
  readonly kinds: readonly FaultKind[];
  readonly processes?: number | undefined;
  /** Of a backend of two stores: the kinds that the second one has. */
  readonly second?: readonly FaultKind[] | undefined;
  /** How many replicas the backend has that can be asked to acknowledge. */
  readonly replicas?: number | undefined;
};

const themeNames = Object.keys(themes) as (keyof typeof themes)[];
const scheduleMs = 8_500;
/** Of the schedules on a store with replicas. */
const ACKNOWLEDGED = 0.3;
/** Of those that are made of changes: there and back takes its time. */
const changesMs = 12_000;

/** The same seed and plan give the same schedule. */
export function makeSchedule(seed: number, plan: SchedulePlan): Schedule {
  const random = mulberry32(seed);
  const processes = plan.processes ?? 3 + whole(random, 3);
  const fleet = random() < 0.6 ? "fast" : pick(random, fleetNames);
  const keys = 3 + whole(random, 3);
  const hosts = random() < 0.4 ? "one" : "many";
  // By a draw of its own: the faults of a seed stay what they were.
  const isAcknowledged = plan.replicas !== undefined && mulberry32(~seed)() < ACKNOWLEDGED;
  const asked = isAcknowledged ? { replicas: plan.replicas } : {};
  const head = { seed, backend: plan.backend, processes, keys, fleet, hosts, ...asked } as const;
  if (plan.second && random() < 0.6) {
    const faults = changeFaults(random, processes, changesMs).filter(({ kind }) => plan.kinds.includes(kind));
    if (faults.length > 0) return { ...head, durationMs: changesMs, theme: "changes", faults };
  }
  const faults: Fault[] = [];
  const theme = random() < 0.6 ? "everything" : pick(random, themeNames);
  const ofTheme = plan.kinds.filter((kind) => (themes[theme] as readonly FaultKind[]).includes(kind));
  const pickKind = weighted(ofTheme.length > 0 ? ofTheme : plan.kinds);
  // Where every fault hits the store, more of them would leave no time in which anything can be had.
  const slower = theme === "stalls" || theme === "losses" ? 2 : 1;
  for (let atMs = 300 + random() * 500; atMs < scheduleMs - 300; atMs += slower * (350 + random() * 1_000)) {
    // Two at once find what one alone does not: a pause and a restart, a cut and a kill.
    const together = pick(random, [1, 1, 2, 2, 2, 2, 3]);
    for (let i = 0; i < together; i++) {
      const startMs = Math.min(Math.round(atMs + random() * 300), scheduleMs - 100);
      faults.push(ofStore(random, makeFault(random, pickKind(random), startMs, processes), plan.second));
    }
  }
  faults.sort((a, b) => a.atMs - b.atMs);
  return { ...head, durationMs: scheduleMs, theme, faults };
}

/** Of two stores: which one the fault hits, or the links to which one; some hit both. */
function ofStore(random: () => number, fault: Fault, second: SchedulePlan["second"]): Fault {
  const { on } = specOf(fault.kind);
  if (!second || on === "process") return fault;
  if (on === "store" && !second.includes(fault.kind)) return { ...fault, store: 1 };
  const store = pick(random, [1, 1, 1, 2, 2, undefined] as const);
  return store === undefined ? fault : { ...fault, store };
}

function makeFault(random: () => number, kind: FaultKind, atMs: number, processes: number): Fault {
  const { on, longestMs, value } = specOf(kind);
  const process = `p${1 + whole(random, processes)}`;
  const everywhere = random() < 0.12;
  // Short ones prevail, and all the limits, from trust to session TTL, lie within the range.
  const drawnMs = Math.round(100 + random() ** 2 * 3_000);
  const durationMs = Math.min(drawnMs, longestMs ?? Infinity, scheduleMs - atMs);
  const target = on === "store" ? "store" : on === "link" && everywhere ? "all" : process;
  return { atMs, kind, target, durationMs, ...(value && { value: value(random) }) };
}

/** One line a fault: `[t, kind, target, duration]` and what else the kind needs. */
export function printSchedule(schedule: Schedule): string {
  const { seed, backend, processes, keys, durationMs, fleet, hosts, theme, faults, replicas } = schedule;
  const lines = faults.map(({ atMs, kind, target, durationMs, value, store }) => {
    const hit = store === undefined ? target : `${target} (store ${store})`;
    const parts = [atMs, JSON.stringify(kind), JSON.stringify(hit), durationMs];
    return `  [${[...parts, ...(value === undefined ? [] : [value])].join(", ")}]`;
  });
  const size = `${processes} processes · ${keys} keys · ${hosts} host${hosts === "one" ? "" : "s"}`;
  const where = replicas === undefined ? backend : `${backend}, ${replicas} replicas acknowledge`;
  const head = `seed ${seed} · ${where} · ${size} · fleet ${fleet} · ${theme} · ${durationMs} ms`;
  return [`${head} · ${faults.length} faults`, ...lines].join("\n");
}

/** Reads what JSON.stringify(schedule) wrote. Throws on anything else, naming it. */
export function parseSchedule(text: string): Schedule {
  const schedule = JSON.parse(text) as Schedule;
  for (const name of ["seed", "processes", "keys", "durationMs"] as const) {
    if (!Number.isSafeInteger(schedule[name])) throw new TypeError(`schedule: ${name} must be a whole number`);
  }
  if (!fleetNames.includes(schedule.fleet)) throw new TypeError(`schedule: no fleet is called ${schedule.fleet}`);
  for (const { kind, atMs, durationMs, target } of schedule.faults) {
    specOf(kind);
    const isTimed = Number.isFinite(atMs) && Number.isFinite(durationMs);
    if (!isTimed || typeof target !== "string") throw new TypeError(`schedule: a ${kind} without time or target`);
  }
  return schedule;
}

function weighted(kinds: readonly FaultKind[]): (random: () => number) => FaultKind {
  const sum = kinds.reduce((total, kind) => total + specOf(kind).weight, 0);
  if (sum === 0) throw new RangeError("no kind of fault is left to choose from");
  return (random) => {
    let left = random() * sum;
    for (const kind of kinds) {
      left -= specOf(kind).weight;
      if (left < 0) return kind;
    }
    return kinds.at(-1)!;
  };
}

function whole(random: () => number, below: number): number {
  return Math.floor(random() * below);
}

function pick<T>(random: () => number, from: readonly T[]): T {
  return from[whole(random, from.length)]!;
}
