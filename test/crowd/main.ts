// `npm run crowd`: 200 lockers in 8 processes want one key for 200 ms each. Options: --processes, --each, --turns,
// --section (ms), --jitter (ms).

import { parseArgs } from "node:util";
import { describeMachine } from "../../bench/support/machine.js";
import { summarise } from "../../bench/support/question.js";
import { printMachine } from "../../bench/support/report.js";
import { findOverlaps, runCrowd, type CrowdReport } from "./crowd.js";

const { values } = parseArgs({
  options: {
    processes: { type: "string", default: "8" },
    each: { type: "string", default: "25" },
    turns: { type: "string", default: "1" },
    section: { type: "string", default: "200" },
    jitter: { type: "string", default: "20" },
  },
});
const numberOf = (name: keyof typeof values): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name}: a whole number from 1 up, not ${values[name]}`);
  return value;
};
const [processes, lockersEach, turns, sectionMs] = (["processes", "each", "turns", "section"] as const).map(numberOf);
if (!processes || !lockersEach || !turns || !sectionMs) throw new Error("unreachable");
const jitterMs = numberOf("jitter");

/** The defaults, but for 200 threads that start on one machine. */
const limits = { acquireTimeoutMs: 120_000 };

printMachine(describeMachine());
const sections = processes * lockersEach * turns;
console.log(`• ${processes * lockersEach} lockers in ${processes} processes, ${turns} × ${sectionMs} ms each`);
console.log(`• every packet takes 0 to ${jitterMs} ms in each direction; limits are the defaults`);
const report = await runCrowd({
  ...{ processes, lockersEach, turns, sectionMs, jitterMs, limits, settings: {} },
  deadlineMs: 60_000 + 20 * sections * sectionMs,
});
printReport(report);
const refusedWrites = report.turns.reduce((sum, turn) => sum + turn.refused, 0);
const isProved = findOverlaps(report.turns).length === 0 && refusedWrites === 0 && report.turns.length === sections;
if (!isProved) process.exitCode = 1;

function printReport({ turns, tookMs, commands, restingCommandsASecond, storeCpuMs }: CrowdReport): void {
  const overlaps = findOverlaps(turns);
  const refused = turns.reduce((sum, turn) => sum + turn.refused, 0);
  console.log(`• ${turns.length} of ${sections} sections, ${overlaps.length} overlaps, ${refused} writes refused`);
  for (const overlap of overlaps.slice(0, 5)) console.log(`    ${overlap}`);
  const busyMs = turns.reduce((sum, { enteredUs, leftUs }) => sum + (leftUs - enteredUs) / 1_000, 0);
  console.log(
    `• took ${(tookMs / 1_000).toFixed(1)} s, of which somebody was inside for ${(busyMs / 1_000).toFixed(1)}`,
  );
  printMs(
    "from one's end to the next one's begin",
    turns.slice(1).map((turn, i) => gapMs(turns[i]!, turn)),
  );
  printMs(
    "waited",
    turns.map(({ calledUs, enteredUs }) => (enteredUs - calledUs) / 1_000),
  );
  const pings = (restingCommandsASecond * tookMs) / 1_000;
  const rate = ((commands * 1_000) / tookMs).toFixed(0);
  console.log(`• ${commands} commands, ${rate}/s, of them ${restingCommandsASecond.toFixed(0)}/s pings`);
  console.log(`• ${((commands - pings) / turns.length).toFixed(0)} a section without the pings`);
  console.log(`• Redis: ${(storeCpuMs / tookMs).toFixed(2)} of a core`);
}

function gapMs(previous: { leftUs: number }, next: { enteredUs: number }): number {
  return (next.enteredUs - previous.leftUs) / 1_000;
}

function printMs(label: string, samples: number[]): void {
  const { p50, p99, max } = summarise(samples);
  const parts = [
    `p50 ${p50.toFixed(0)}`,
    ...(p99 === undefined ? [] : [`p99 ${p99.toFixed(0)}`]),
    `max ${max.toFixed(0)}`,
  ];
  console.log(`• ${label}: ${parts.join("   ")} ms`);
}
