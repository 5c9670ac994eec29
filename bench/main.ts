// `npm run bench`: asks the questions, prints the answers, keeps them in results/. See README.md.

import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { questions } from "./questions.js";
import { describeMachine } from "./support/machine.js";
import type { Question } from "./support/question.js";
import { printMachine } from "./support/report.js";
import { ask, type Asked, type Wanted } from "./support/runner.js";
import { summary } from "./support/summary.js";

const results = fileURLToPath(new URL("../../bench/results", import.meta.url));

const usage = `npm run bench [-- NAME…] [--runs N] [--smoke] [--list] [--out FOLDER]
  NAME          one of: ${questions.map(({ name }) => name).join(", ")}
  --runs N      how often each is measured; fewer than its default are shown, and kept only with --out
  --smoke       30 seconds: whether anything has collapsed; half of what is due will do, nothing is kept
  --list        the questions
  --out FOLDER  where the answers go (default bench/results)`;

class UsageError extends Error {}

async function main(): Promise<number> {
  const { chosen, wanted, isHelp, isList } = readArguments();
  if (isHelp) console.log(usage);
  if (isList) for (const { name, runs, asks } of questions) console.log(`${name} (${runs} runs): ${asks}`);
  if (isHelp || isList) return 0;
  printMachine(describeMachine());
  const asked: Asked[] = await ask(chosen, wanted);
  const { lines, isGood } = summary(asked, wanted);
  for (const line of lines) console.log(line);
  return isGood ? 0 : 1;
}

function readArguments(): { chosen: readonly Question[]; wanted: Wanted; isHelp: boolean; isList: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: "string" },
      smoke: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      out: { type: "string" },
      peers: { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && (!Number.isSafeInteger(runs) || runs < 1)) {
    throw new UsageError(`--runs: not a whole number above 0\n${usage}`);
  }
  const unknown = positionals.find((name) => !questions.some((question) => question.name === name));
  if (unknown !== undefined) throw new UsageError(`there is no question "${unknown}"\n${usage}`);
  const named = questions.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const chosen = values.smoke ? named.filter(({ smokeRuns }) => smokeRuns !== undefined) : named;
  if (chosen.length === 0) throw new UsageError(`none of these is part of the smoke\n${usage}`);
  const peers = { module: (name: string) => pathToFileURL(join(values.peers, `${name}.mjs`)).href };
  const out = values.smoke ? undefined : (values.out ?? results);
  const wanted: Wanted = { runs, smoke: values.smoke, out, keepsFew: values.out !== undefined, peers };
  return { chosen, wanted, isHelp: values.help, isList: values.list };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof UsageError || error instanceof TypeError ? `✖ ${error.message}` : error);
  process.exitCode = 1;
}
