// `npm run bench`: asks the questions, prints the answers, keeps them in results/. See README.md.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { questions } from "./questions.js";
import { chart, panelsOf } from "./support/chart.js";
import { documents, filled } from "./support/documents.js";
import { describeMachine } from "./support/machine.js";
import { NoPeersError, type PeerModules, type Question } from "./support/question.js";
import { printMachine } from "./support/report.js";
import { keep, readResults } from "./support/results.js";
import { ask, type Asked, type Wanted } from "./support/runner.js";
import { summary } from "./support/summary.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const results = join(root, "bench", "results");
const names = questions.map(({ name }) => name);

const usage = `npm run bench [-- NAME…] [--runs N] [--smoke] [--list] [--out FOLDER]
  NAME          one of: ${names.join(", ")}
  --runs N      how often each is measured; with fewer than its default it is kept only with --out
  --smoke       30 seconds: whether anything has collapsed; half of what is due will do, nothing is kept
  --list        the questions
  --draw        nothing is asked; chart and tables are made from the results that there are
  --out FOLDER  where the answers go (default bench/results, from where the README takes them)`;

class UsageError extends Error {}

interface Arguments {
  readonly chosen: readonly Question[];
  readonly wanted: Wanted;
  /** Where results go; undefined: nowhere. */
  readonly out: string | undefined;
  /** What --help or --list asks for. */
  readonly text: string | undefined;
}

async function main(): Promise<number> {
  const { chosen, wanted, out, text } = readArguments();
  if (text !== undefined) {
    console.log(text);
    return 0;
  }
  if (chosen.length > 0) printMachine(describeMachine());
  const asked = await ask(chosen, wanted, (one) => keepOne(one, out));
  if (out !== undefined) draw(out);
  if (asked.length === 0) return 0;
  const { lines, isGood } = summary(asked);
  for (const line of lines) console.log(line);
  return isGood ? 0 : 1;
}

function keepOne({ name, result, isWhole }: Asked, out: string | undefined): void {
  if (out === undefined || result === undefined) return;
  if (isWhole || out !== results) keep(out, result);
  else console.log(`    (${name} is not kept: fewer runs than its default)`);
}

/** What is told of all results, those of other sittings among them. */
function draw(folder: string): void {
  const kept = readResults(folder, names);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "chart.svg"), chart(panelsOf(kept)));
  console.log(`• results are in ${folder}`);
  if (folder !== results) return;
  for (const { path, mark, lines } of documents) {
    const file = join(root, path);
    writeFileSync(file, filled(readFileSync(file, "utf8"), mark, lines(kept)));
  }
  console.log(`• filled in: ${documents.map(({ path }) => path).join(", ")}`);
}

function readArguments(): Arguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: "string" },
      smoke: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      draw: { type: "boolean", default: false },
      out: { type: "string", default: results },
      peers: { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { smoke } = values;
  const list = questions.map(({ name, runs, asks }) => `${name} (${runs} runs): ${asks}`).join("\n");
  return {
    chosen: values.draw ? [] : choose(positionals, smoke),
    wanted: {
      ...{ runs: readRuns(values.runs), smoke, peers: peersIn(values.peers), print: (line) => console.log(line) },
      mayLackPeers: smoke && !process.env["CI"],
    },
    out: smoke ? undefined : values.out,
    text: values.help ? usage : values.list ? list : undefined,
  };
}

function choose(wanted: readonly string[], smoke: boolean): Question[] {
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no question "${unknown}"\n${usage}`);
  const named = questions.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const chosen = smoke ? named.filter(({ smokeRuns }) => smokeRuns !== undefined) : named;
  if (chosen.length === 0) throw new UsageError(`none of these is part of the smoke\n${usage}`);
  return chosen;
}

function readRuns(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const runs = Number(text);
  if (!Number.isSafeInteger(runs) || runs < 1) throw new UsageError(`--runs: not a whole number above 0\n${usage}`);
  return runs;
}

function peersIn(folder: string): PeerModules {
  return {
    module: (name) => {
      const path = join(folder, `${name}.mjs`);
      if (folder === "" || !existsSync(path)) throw new NoPeersError(`${name} of bench/peers is not installed`);
      return pathToFileURL(path).href;
    },
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  console.error(isUsage ? `✖ ${error.message}` : error);
  process.exitCode = 1;
}
