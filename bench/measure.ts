// `npm run measure`: asks the questions, prints the answers, keeps them in results/. See README.md.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connections } from "./connections.js";
import { cycles } from "./cycles.js";
import { drain } from "./drain.js";
import { firstAcquire } from "./first-acquire.js";
import { heartbeat } from "./heartbeat.js";
import { idleCommands } from "./idle-commands.js";
import { lockBytes } from "./lock-bytes.js";
import { longDeadOwner } from "./long-dead-owner.js";
import { lossNotice } from "./loss-notice.js";
import { oneHost } from "./one-host.js";
import { philosophers } from "./philosophers.js";
import { takeoverAfterKill } from "./takeover-after-kill.js";
import { describeMachine, type Machine } from "./support/machine.js";
import { isWithinBound, type Question } from "./support/question.js";
import { printAnswer, printMachine, writeAnswer } from "./support/report.js";

const questions: readonly Question[] = [
  takeoverAfterKill,
  longDeadOwner,
  drain,
  lossNotice,
  heartbeat,
  idleCommands,
  lockBytes,
  connections,
  firstAcquire,
  cycles,
  oneHost,
  philosophers,
];

/** Of fewer a percentile says little: they are shown, and not kept. */
const runsToKeep = 20;
const results = fileURLToPath(new URL("../../bench/results/part-1.json", import.meta.url));

const usage = `npm run measure [-- --runs N] [--only NAME]... [--out FILE]
  --runs N     how often each is measured (default ${runsToKeep}); fewer are shown, and kept only with --out
  --only NAME  one of: ${questions.map(({ name }) => name).join(", ")}
  --out FILE   where the answers go (default bench/results/part-1.json)`;

async function main(): Promise<number> {
  const { runs, chosen, out, help } = readArguments();
  if (help) {
    console.log(usage);
    return 0;
  }
  const machine = describeMachine();
  printMachine(machine);
  const troubles: string[] = [];
  for (const question of chosen) troubles.push(...(await answer(question, runs, machine, out)));
  console.log(out === undefined ? `• not kept: fewer than ${runsToKeep} runs` : `• kept in ${out}`);
  for (const trouble of troubles) console.error(`✖ ${trouble}`);
  return troubles.length === 0 ? 0 : 1;
}

/** Returns what went wrong; one question that fails leaves the others theirs. */
async function answer(question: Question, runs: number, machine: Machine, out: string | undefined): Promise<string[]> {
  console.log(`• ${question.name}: ${question.asks}`);
  try {
    const given = await question.ask({ runs, tell: (text) => console.log(`    ${text}`) });
    printAnswer(given);
    if (out !== undefined) writeAnswer(out, question, given, machine);
    const missed = given.series.filter((series) => isWithinBound(series) === false);
    return missed.map(({ label }) => `${question.name}: missed its bound: ${label}`);
  } catch (error) {
    console.error(error);
    return [`${question.name}: could not be measured`];
  }
}

function readArguments(): { runs: number; chosen: readonly Question[]; out: string | undefined; help: boolean } {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: String(runsToKeep) },
      only: { type: "string", multiple: true },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isSafeInteger(runs) || runs < 1) throw new RangeError(`--runs: not a whole number above 0\n${usage}`);
  const names = values.only?.flatMap((list) => list.split(","));
  const unknown = names?.find((name) => !questions.some((question) => question.name === name));
  if (unknown !== undefined) throw new RangeError(`--only: there is no "${unknown}"\n${usage}`);
  const chosen = names ? questions.filter(({ name }) => names.includes(name)) : questions;
  return { runs, chosen, out: values.out ?? (runs < runsToKeep ? undefined : results), help: values.help };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof RangeError || error instanceof TypeError ? `✖ ${error.message}` : error);
  process.exitCode = 1;
}
