// `npm run loss`: 20 % packet loss for ten seconds. See loss.ts. Options: --percent, --seconds, --scenario everybody or
// holders (both, unless one is named), --no-kill.

import { parseArgs } from "node:util";
import { describeMachine } from "../../bench/support/machine.js";
import { summarise } from "../../bench/support/question.js";
import { printMachine } from "../../bench/support/report.js";
import { failuresOf, runLoss, runLossIsolated, type LossReport, type LossSetup, type Scenario } from "./loss.js";
import { whyNoLoss } from "./namespace.js";

const { values } = parseArgs({
  options: {
    percent: { type: "string", default: "20" },
    seconds: { type: "string", default: "10" },
    scenario: { type: "string", multiple: true, default: ["everybody", "holders"] },
    "no-kill": { type: "boolean", default: false },
  },
});
const [percent, lossMs] = [Number(values.percent), Number(values.seconds) * 1_000];
if (!(percent > 0 && percent < 100 && lossMs > 0)) throw new Error("--percent 1 to 99, --seconds more than 0");
const scenarios = values.scenario as Scenario[];
if (!scenarios.every((name) => ["everybody", "holders"].includes(name)))
  throw new Error("--scenario everybody or holders");

printMachine(describeMachine());
const reason = whyNoLoss();
if (reason !== undefined) console.log(`• not run: real packet loss (${reason}); emulated by a proxy instead`);
for (const scenario of scenarios) {
  console.log(`• ${percent} % loss for ${lossMs} ms, of ${scenario}`);
  const setup: Omit<LossSetup, "by"> = { scenario, percent, lossMs, kill: !values["no-kill"] };
  const report = reason === undefined ? await runLossIsolated(setup) : await runLoss({ ...setup, by: "emulation" });
  print(report);
  const failures = failuresOf(report);
  for (const failure of failures) console.log(`✖ ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

function print({ processes, losses, takeoverMs, killedKeys, robbed, accepted, refused }: LossReport): void {
  if (losses) {
    const share = ((100 * losses.lost) / losses.seen).toFixed(1);
    console.log(`    ${losses.lost} of ${losses.seen} packets lost (${share} %)`);
  }
  const jobs = processes.flatMap((process) => process.jobs);
  const lost = jobs.filter(({ ended }) => ended !== "");
  const ofLiving = `${processes.length} living processes, ${jobs.length} jobs`;
  console.log(`    ${ofLiving}, ${lost.length} lost, ${robbed.length} taken from the living`);
  for (const { key, ended } of lost) console.log(`      ${key}: ${ended}`);
  for (const { condemned } of processes) for (const one of condemned) console.log(`      condemned: ${one}`);
  console.log(`    no overlap; ${accepted} writes after a yes accepted, ${refused} refused by the fence`);
  console.log(`    unsure: ${inMs(jobs.map(({ unsureMs }) => unsureMs))} a job`);
  console.log(`    longest heartbeat: ${inMs(jobs.map(({ longestMs }) => longestMs))}`);
  const taken = `${takeoverMs.length} of the killed process's ${killedKeys} keys taken after`;
  if (killedKeys > 0) console.log(`    ${taken} ${inMs(takeoverMs)}`);
  const tries = processes.reduce((sum, process) => sum + process.tries, 0);
  console.log(`    ${tries} tries of contenders; failed: ${JSON.stringify(processes.map(({ failures }) => failures))}`);
}

function inMs(samples: readonly number[]): string {
  const { p50, max } = summarise(samples);
  return `p50 ${p50.toFixed(0)}, max ${max.toFixed(0)} ms`;
}
