// Runs schedules, two at a time, and tells of each.

import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { startRedis } from "../support/redis-server.js";
import type { Arguments } from "./arguments.js";
import type { Backend } from "./backend.js";
import { ClockShim } from "./clock-shim.js";
import { clusterBackend } from "./cluster-backend.js";
import { nowMs } from "./journal.js";
import { canDropPackets, whyNoDrops, whyNoNetem } from "./kernel-faults.js";
import { faultKinds, specOf, type FaultKind } from "./kinds.js";
import { postgresBackend } from "./postgres-backend.js";
import { redisBackend } from "./redis-backend.js";
import { explain, showTotals, showViolations, summarize } from "./report.js";
import { runSchedule, type Outcome } from "./run-schedule.js";
import { shrinkFailing } from "./shrink-failing.js";
import { sentinelBackend } from "./sentinel-backend.js";
import { sqliteBackend } from "./sqlite-backend.js";
import { tiersBackend } from "./tiers-backend.js";
import { makeSchedule, parseSchedule, printSchedule, type Schedule } from "./schedule.js";

const backends: readonly Backend[] = [
  ...[redisBackend, sentinelBackend, clusterBackend, tiersBackend],
  ...[sqliteBackend, postgresBackend],
];
const failuresFolder = fileURLToPath(new URL("../../../.cache/chaos/", import.meta.url));

export type Totals = {
  firstSeed: number;
  schedules: number;
  faults: number;
  grants: number;
  violations: number;
  excused: number;
  missed: number;
  starvedMs: number;
  /** Of the trials at the end of each schedule. */
  worstTakeoverMs: number;
  /** Of all schedules' shares of time and keys for which S1 was relaxed. */
  relaxedSum: number;
  /** Of schedules with violations. */
  failedSeeds: number[];
  /** Seeds of schedules in which the harness itself failed. They are in no other count. */
  broken: number[];
};

/** Resolves with what all schedules came to. Told on standard output as they end. */
export async function runMany(args: Arguments): Promise<Totals> {
  const firstSeed = args.seed ?? randomInt(2 ** 32 - 1_000_000);
  const totals = noTotals(firstSeed);
  const backend = backends.find(({ name }) => name === args.backend);
  if (!backend) throw new RangeError(`--backend ${args.backend}: there are ${backends.map(({ name }) => name).join()}`);
  const opened = await ClockShim.open();
  await using shim = typeof opened === "string" ? undefined : opened;
  const notRun = faultsNotRun(backend, shim, typeof opened === "string" ? opened : "");
  await using register = await startRedis();
  const deps = { backend, shim, notRun, registerUrl: register.url };
  const next = scheduleSource(args, firstSeed, backend);
  const endMs = nowMs() + args.durationMs;
  using halt = new Halt();
  const lane = async (): Promise<void> => {
    for (let schedule = next(); schedule && nowMs() < endMs && !halt.isAsked; schedule = next()) {
      try {
        const outcome = await runSchedule(schedule, deps);
        add(totals, outcome);
        tell(outcome, args);
        if (args.shrink && outcome.violations.length > 0) await shrinkFailing(outcome, deps, say);
      } catch (error) {
        // The others go on; but a run in which the harness failed is no proof, so it fails as a whole.
        totals.broken.push(schedule.seed);
        say(`✖ seed ${schedule.seed}: the harness failed: ${error instanceof Error ? error.stack : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: args.atOnce }, lane));
  say(showTotals(totals));
  return totals;
}

function noTotals(firstSeed: number): Totals {
  const counts = { schedules: 0, faults: 0, grants: 0, violations: 0, excused: 0, missed: 0 };
  return { firstSeed, ...counts, starvedMs: 0, worstTakeoverMs: 0, relaxedSum: 0, failedSeeds: [], broken: [] };
}

/** The first SIGINT or SIGTERM ends a run of hours in good order: with its totals, and its row in the table. */
class Halt implements Disposable {
  isAsked = false;
  readonly #onSignal = (): void => {
    if (!this.isAsked) say("stopping once the schedules under way have ended");
    this.isAsked = true;
  };

  constructor() {
    process.on("SIGINT", this.#onSignal).on("SIGTERM", this.#onSignal);
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#onSignal).off("SIGTERM", this.#onSignal);
  }
}

/** What this machine cannot do is said, not passed over. */
function faultsNotRun(backend: Backend, shim: ClockShim | undefined, whyNoShim: string): Map<FaultKind, string> {
  const notRun = new Map<FaultKind, string>(backend.notRun(shim));
  if (!shim) notRun.set("client-clock", whyNoShim);
  if (!canDropPackets()) notRun.set("packet-loss", whyNoDrops() ?? "not started in a network namespace of its own");
  for (const [kind, why] of notRun) say(`not run: ${kind} (${why})`);
  say(`not run: packets delayed and reordered by tc netem: ${whyNoNetem() ?? "not used, though it is there"}`);
  return notRun;
}

/**
 * One schedule after the other, until there are enough. They are made of all kinds, also of those that this machine
 * cannot produce: a seed means the same everywhere.
 */
function scheduleSource(args: Arguments, firstSeed: number, backend: Backend): () => Schedule | undefined {
  const { processes, only } = args;
  const ofBackend = faultKinds.filter((kind) => specOf(kind).on === "process" || backend.kinds.includes(kind));
  const kinds = only ? ofBackend.filter((kind) => only.includes(kind)) : ofBackend;
  let given = 0;
  say(`first seed ${firstSeed}`);
  return () => {
    if (given >= args.schedules) return undefined;
    const seed = firstSeed + given++;
    if (args.schedule) return parseSchedule(readFileSync(args.schedule, "utf8"));
    return makeSchedule(seed, {
      backend: backend.name,
      processes,
      kinds,
      second: backend.second,
      replicas: backend.replicas,
    });
  };
}

function add(totals: Totals, outcome: Outcome): void {
  totals.schedules += 1;
  totals.faults += outcome.faults;
  totals.grants += outcome.grants;
  totals.violations += outcome.violations.length;
  totals.excused += outcome.excused.length;
  totals.missed += outcome.missed.length;
  totals.starvedMs += outcome.starvedMs;
  totals.relaxedSum += outcome.relaxedShare;
  totals.worstTakeoverMs = Math.max(totals.worstTakeoverMs, Math.round(outcome.takeover?.tookMs ?? 0));
  if (outcome.violations.length > 0) totals.failedSeeds.push(outcome.schedule.seed);
}

function tell(outcome: Outcome, args: Arguments): void {
  const { quiet, only, processes, backend } = args;
  const hasFailed = outcome.violations.length > 0;
  if (!quiet || hasFailed) say(printSchedule(outcome.schedule));
  if (!quiet || hasFailed || outcome.excused.length > 0) explain(outcome).forEach(say);
  say(summarize(outcome));
  if (!hasFailed) return;
  say(showViolations(outcome));
  mkdirSync(failuresFolder, { recursive: true });
  const path = join(failuresFolder, `${outcome.schedule.backend}-${outcome.schedule.seed}`);
  writeFileSync(`${path}.json`, JSON.stringify(outcome.schedule, null, 1));
  writeFileSync(`${path}.jsonl`, outcome.history.map((event) => `${JSON.stringify(event)}\n`).join(""));
  const given = Object.entries({ backend, only: only?.join(), processes }).filter(([, value]) => value !== undefined);
  const same = given.map(([name, value]) => ` --${name} ${value}`).join("");
  say(`again with: npm run chaos -- --seed ${outcome.schedule.seed} --schedules 1${same}`);
  say(`or with: npm run chaos -- --schedule ${relative(process.cwd(), path)}.json (beside it .jsonl, the history)`);
}

function say(line: string): void {
  console.log(line);
}
