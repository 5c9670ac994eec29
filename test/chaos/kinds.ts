// Every kind of fault: what it hits, how often it is chosen, and what it needs to know.

type Random = () => number;

export type KindSpec = {
  readonly on: "process" | "link" | "store";
  /** One backend's alone. */
  readonly of?: "cluster" | "sentinel" | "tiers";
  /** How often it is chosen, against the others. */
  readonly weight: number;
  /** No longer than this, ms. */
  readonly longestMs?: number;
  readonly value?: (random: Random) => number;
  readonly what: string;
};

/**
 * Of a clock, ms: around the drift that is tolerated, the grace and the session TTL, in both directions; below the
 * margin of a lease, from which on the fence alone protects.
 */
function smallStep(random: Random): number {
  const steps = [60, 110, 150, 300, 500, 800, 1_000, 1_500];
  return steps[Math.floor(random() * steps.length)]! * (random() < 0.5 ? -1 : 1);
}

/** Of a client's wall clock, which nobody else compares with anything. */
function anyStep(random: Random): number {
  return random() < 0.7 ? smallStep(random) : (random() < 0.5 ? -1 : 1) * 3_600_000;
}

/** Which one of several it hits. */
function anyOne(random: Random): number {
  return Math.floor(random() * 6);
}

/** Which shard of a cluster, and in which order its keys go. */
function anyShard(random: Random): number {
  return Math.floor(random() * 2 ** 16);
}

export const kindSpecs = {
  freeze: { on: "process", weight: 4, what: "SIGSTOP, later SIGCONT" },
  kill: { on: "process", weight: 2, what: "SIGKILL, later a new process in its place" },
  block: { on: "process", weight: 2, what: "the main thread's event loop stands still" },
  "worker-throw": { on: "process", weight: 1, longestMs: 100, what: "an uncaught exception in the worker thread" },
  "worker-exit": { on: "process", weight: 1, longestMs: 100, what: "process.exit() in the worker thread" },
  "worker-stall": { on: "process", weight: 2, what: "the worker thread stands still" },
  "worker-throw-blocked": {
    on: "process",
    weight: 1,
    what: "the worker thread dies while the main thread stands still",
  },
  "client-clock": {
    on: "process",
    weight: 1,
    value: anyStep,
    what: "a client's wall clock is stepped, later set back",
  },

  latency: { on: "link", weight: 1, value: (random) => Math.round(5 + random() ** 2 * 400), what: "slow both ways" },
  cut: { on: "link", weight: 1, longestMs: 100, what: "all connections reset, new ones are welcome" },
  refuse: { on: "link", weight: 1.5, what: "all connections reset, new ones refused for a while" },
  "half-open-up": { on: "link", weight: 1, what: "what the client sends vanishes" },
  "half-open-down": { on: "link", weight: 1, what: "what the store answers vanishes" },
  "half-open-both": { on: "link", weight: 1, what: "both directions vanish, no reset" },
  hold: { on: "link", weight: 1, what: "everything is kept back and delivered late" },
  loss: { on: "link", weight: 1, what: "20 % of the chunks arrive after a retransmission timeout" },
  "packet-loss": { on: "link", weight: 1, what: "the kernel drops 20 % of the packets, both ways" },
  "reply-cut": {
    on: "link",
    weight: 1,
    value: (random) => 1 + Math.floor(random() ** 2 * 600),
    what: "the connection ends in the middle of a reply",
  },
  "lost-reply": { on: "link", weight: 2, what: "a request is executed, its connection reset before the reply" },
  duplicate: { on: "link", weight: 1.5, what: "every other script call is executed twice" },
  zombie: { on: "link", weight: 1.5, what: "requests of connections that are dead arrive later" },

  "store-freeze": { on: "store", weight: 1, longestMs: 2_000, what: "SIGSTOP of the store" },
  "store-sleep": { on: "store", weight: 0.4, longestMs: 1_500, what: "DEBUG SLEEP" },
  "store-pause": { on: "store", weight: 0.4, longestMs: 2_000, what: "CLIENT PAUSE ALL" },
  "store-pause-writes": { on: "store", weight: 0.4, longestMs: 2_000, what: "CLIENT PAUSE WRITE" },
  "store-crash": {
    on: "store",
    weight: 0.8,
    longestMs: 1_000,
    what: "kill -9, restarted with all data (append-only, fsync always)",
  },
  "store-gone": {
    ...{ on: "store", of: "tiers", weight: 0.8 },
    what: "kill -9, restarted with all data only when two tiers have changed",
  },
  "store-empty": { on: "store", weight: 0.5, longestMs: 1_000, what: "kill -9, restarted empty" },
  "store-old": { on: "store", weight: 0.4, longestMs: 2_000, what: "kill -9, restarted with the data of a while ago" },
  flushall: { on: "store", weight: 0.4, longestMs: 100, what: "FLUSHALL" },
  "kill-clients": { on: "store", weight: 0.6, longestMs: 100, what: "CLIENT KILL of every other one" },
  "kill-subscribers": { on: "store", weight: 0.7, longestMs: 100, what: "CLIENT KILL TYPE pubsub" },
  "script-flush": { on: "store", weight: 1, what: "SCRIPT FLUSH, again and again" },
  maxmemory: { on: "store", weight: 0.6, longestMs: 2_000, what: "the store's memory is full" },
  "busy-script": { on: "store", weight: 0.3, longestMs: 1_000, what: "somebody's script does not end" },
  failover: { on: "store", weight: 0.4, what: "a replica that has everything is promoted, the old primary dies" },
  "failover-lagging": {
    on: "store",
    weight: 0.2,
    longestMs: 1_500,
    what: "a replica that lacks the last writes is promoted",
  },
  "failover-revive": {
    on: "store",
    weight: 0.15,
    longestMs: 1_000,
    what: "the primary freezes, a replica is promoted, the old one revives",
  },
  "store-clock": { on: "store", weight: 0.8, value: smallStep, what: "the store's wall clock is stepped" },
  "store-clock-far": {
    on: "store",
    weight: 0.15,
    // Some of them end leases at once, others only come near it.
    value: (random) => (random() < 0.6 ? 1 : -1) * (8_000 + Math.round(random() * 120_000)),
    what: "the store's wall clock is stepped by more than a lease's margin",
  },

  "master-kill": {
    ...{ on: "store", of: "sentinel", weight: 1, longestMs: 1_000 },
    what: "kill -9 of the master, until the sentinels have replaced it",
  },
  "master-freeze": {
    ...{ on: "store", of: "sentinel", weight: 0.7, longestMs: 1_000 },
    what: "SIGSTOP of the master, until the sentinels have replaced it; then it goes on as one",
  },
  "master-lagging": {
    ...{ on: "store", of: "sentinel", weight: 0.5, longestMs: 1_500 },
    what: "no replica hears of the last writes; then kill -9 of the master, until the sentinels have replaced it",
  },
  "failover-asked": { on: "store", of: "sentinel", weight: 1, longestMs: 100, what: "SENTINEL FAILOVER" },
  "replica-kill": {
    ...{ on: "store", of: "sentinel", weight: 0.6, value: anyOne },
    what: "kill -9 of a replica, which comes back",
  },
  "sentinel-kill": {
    ...{ on: "store", of: "sentinel", weight: 0.8, value: anyOne },
    what: "kill -9 of a sentinel, which comes back",
  },
  "sentinel-freeze": {
    ...{ on: "store", of: "sentinel", weight: 0.6, value: anyOne },
    what: "SIGSTOP of a sentinel",
  },
  "cluster-kill": {
    ...{ on: "store", of: "cluster", weight: 1, longestMs: 1_000, value: anyShard },
    what: "a shard's master is killed, its replica takes over by itself, the old one comes back as a replica",
  },
  "cluster-failover": { on: "store", of: "cluster", weight: 1, value: anyShard, what: "CLUSTER FAILOVER" },
  "slot-move": {
    ...{ on: "store", of: "cluster", weight: 1, longestMs: 1_500, value: anyShard },
    what: "a shard's slot moves to another master, key by key",
  },
  "slot-half": {
    ...{ on: "store", of: "cluster", weight: 0.8, longestMs: 2_500, value: anyShard },
    what: "a shard's slot stays half moved for a while",
  },
  "cluster-freeze": {
    ...{ on: "store", of: "cluster", weight: 0.6, longestMs: 1_000, value: anyShard },
    what: "a shard's master is stopped until it was replaced, and goes on",
  },
  "cluster-split": {
    ...{ on: "store", of: "cluster", weight: 0.6, longestMs: 1_000, value: anyShard },
    what: "a shard's master hears no other node, but its clients, until it was replaced and longer",
  },
  "cluster-empty": {
    ...{ on: "store", of: "cluster", weight: 0.6, longestMs: 300, value: anyShard },
    what: "a shard's master restarts empty before it was replaced",
  },
} as const satisfies Record<string, KindSpec>;

/**
 * What the store is put through without losing anything: none of it may cost a living process a lease, and what a
 * schedule of nothing else shows needs no excuses.
 */
export const stalls = [
  "store-freeze",
  "store-sleep",
  "store-pause",
  "store-pause-writes",
  "kill-clients",
  "kill-subscribers",
  "script-flush",
  "maxmemory",
  "busy-script",
  "master-kill",
  "failover-asked",
  "replica-kill",
  "sentinel-kill",
  "sentinel-freeze",
  "cluster-kill",
  "cluster-failover",
  "slot-move",
  "slot-half",
] as const satisfies readonly FaultKind[];

/** Schedules of these alone: where many kinds meet, each of them excuses what another one caused. */
export const themes = {
  everything: Object.keys(kindSpecs) as FaultKind[],
  stalls,
  deaths: ["kill", "worker-throw", "worker-exit", "block"],
  losses: [
    ...["store-crash", "store-empty", "store-old", "flushall", "failover"],
    ...["master-lagging", "master-freeze", "cluster-empty", "cluster-freeze", "cluster-split"],
  ] as FaultKind[],
  clients: [
    "freeze",
    "block",
    "worker-stall",
    "worker-throw",
    "half-open-up",
    "half-open-down",
    "hold",
    "refuse",
    "kill",
  ],
} as const satisfies Record<string, readonly FaultKind[]>;

/** And that of two stores (change-faults.ts). */
export type ThemeName = keyof typeof themes | "changes";

/**
 * What is not ordered but seen: another server became the master; it did while the one before stood still, its
 * connections open; the one before executed what the new one never heard of; both were used at a time.
 */
export const seenKinds = ["promotion", "silent-replaced", "lost-writes", "two-masters"] as const;
export type SeenKind = (typeof seenKinds)[number];

export type FaultKind = keyof typeof kindSpecs;
export const faultKinds = Object.keys(kindSpecs) as FaultKind[];

export function specOf(kind: FaultKind): KindSpec {
  const spec: KindSpec | undefined = kindSpecs[kind];
  if (!spec) throw new RangeError(`no kind of fault is called ${String(kind)}`);
  return spec;
}
