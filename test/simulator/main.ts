// `npm run simulate`: worlds of many seeds, one after the other, in as many processes as wanted.

import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { shrink } from "../history/shrink.js";
import type { Scenario } from "../history/scenario.js";
import { makeScenario } from "./faults.js";
import { Simulation, type Outcome } from "./simulation.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "500" },
    workers: { type: "string", default: "1" },
    /** Stop all at the first violation (the default), or count them. */
    "keep-going": { type: "boolean", default: false },
    /** Print what every script was asked and answered. */
    trace: { type: "boolean", default: false },
    /** Make a failing world smaller before it is printed. */
    shrink: { type: "boolean", default: false },
    /** One world, written out as JSON, instead of those of seeds. */
    scenario: { type: "string" },
    /** Stop after so many seconds, whatever is left. */
    seconds: { type: "string" },
  },
});

type Totals = { seeds: number; failed: number[]; virtualMs: number } & Outcome["counts"];

const totals: Totals = {
  ...{ seeds: 0, failed: [], virtualMs: 0 },
  ...{ scripts: 0, grants: 0, handOffs: 0, checks: 0, yes: 0, condemned: 0, losses: 0, revoked: 0, deadlocks: 0 },
};

/** Processes that ended without their figures: what they met is no clean run. */
const broken: string[] = [];
let current: Scenario | undefined;
let isStopped = false;

// A run that is stopped still tells its figures.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => (isStopped = true));

process.on("unhandledRejection", (error) => {
  console.log(`seed ${current?.seed}: S6: an unhandled rejection, which no locker may ever leave behind:`, error);
  process.exit(1);
});

const from = Number(values.seed);
const count = Number(values.seeds);
const workers = Number(values.workers);
const startedMs = performance.now();
const untilMs = values.seconds === undefined ? Infinity : startedMs + Number(values.seconds) * 1_000;

if (values.scenario !== undefined) await runOne(JSON.parse(values.scenario) as Scenario);
else if (workers > 1) await runWorkers();
else for (let seed = from; seed < from + count && mayGoOn(); seed++) await runOne(makeScenario(seed));
finish();

function mayGoOn(): boolean {
  return !isStopped && performance.now() < untilMs && (values["keep-going"] || totals.failed.length === 0);
}

async function runOne(scenario: Scenario): Promise<void> {
  current = scenario;
  const outcome = await new Simulation(scenario, values.trace ? (line) => console.log(line) : undefined).run();
  totals.seeds += 1;
  totals.virtualMs += outcome.virtualMs;
  for (const [name, value] of Object.entries(outcome.counts)) totals[name as keyof Outcome["counts"]] += value;
  const first = outcome.violations[0];
  if (!first) return;
  totals.failed.push(scenario.seed ?? -1);
  console.log(`seed ${scenario.seed}: ${first.rule} at ${first.atMs.toFixed(1)} ms: ${first.what}`);
  const smaller = values.shrink ? await shrinkWorld(scenario, first.rule) : scenario;
  console.log(`  replay: npm run simulate -- --trace --scenario '${JSON.stringify(smaller)}'`);
}

async function shrinkWorld(scenario: Scenario, rule: string): Promise<Scenario> {
  const shrunk = await shrink(scenario, async (candidate) => {
    const { violations } = await new Simulation(candidate).run();
    return violations.some((violation) => violation.rule === rule);
  });
  return shrunk.scenario;
}

/** Each takes every n-th seed, so that all of them end at about the same time. */
async function runWorkers(): Promise<void> {
  const share = Math.ceil(count / workers);
  const runs = Array.from({ length: workers }, (_, i) => {
    const args = ["--seed", String(from + i * share), "--seeds", String(Math.min(share, count - i * share))];
    if (values["keep-going"]) args.push("--keep-going");
    if (values.shrink) args.push("--shrink");
    if (values.seconds !== undefined) args.push("--seconds", values.seconds);
    const child = fork(process.argv[1]!, args);
    child.on("message", (message) => add(message as Totals));
    return new Promise<void>((resolve) => {
      let told = false;
      child.on("message", () => (told = true));
      child.on("exit", (code, signal) => {
        if (!told) broken.push(`seeds from ${args[1]}: ended with ${signal ?? `code ${code}`} and told nothing`);
        resolve();
      });
    });
  });
  await Promise.all(runs);
}

function add(other: Totals): void {
  for (const [name, value] of Object.entries(other)) {
    if (typeof value === "number") (totals as unknown as Record<string, number>)[name]! += value;
  }
  totals.failed.push(...other.failed);
}

function finish(): void {
  process.exitCode = totals.failed.length + broken.length > 0 ? 1 : 0;
  if (process.send) {
    process.send(totals);
    return process.disconnect();
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  const { seeds, grants, handOffs, yes, losses, condemned, revoked, deadlocks, scripts } = totals;
  const hours = (totals.virtualMs / 3_600_000).toFixed(1);
  const rate = (seeds / seconds).toFixed(1);
  console.log(
    `${seeds} worlds from seed ${from} in ${seconds.toFixed(0)} s (${rate} a second, ${hours} hours of their time):`,
  );
  console.log(`${grants} grants (${handOffs} handed on by others), ${yes} times yes, ${losses} leases lost,`);
  console.log(`${condemned} sessions condemned, ${revoked} keys revoked, ${deadlocks} deadlocks, ${scripts} scripts`);
  for (const what of broken) console.log(what);
  const failed = totals.failed.toSorted((a, b) => a - b);
  if (broken.length === 0 || failed.length > 0)
    console.log(failed.length === 0 ? "0 violations" : `${failed.length} violations, seeds ${failed.join(", ")}`);
}
