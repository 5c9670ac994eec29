// `npm run waiting`: how keys are handed from waiter to waiter, by us and by others in the same run. See README.md.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { seed } from "../test/support/wait.js";
import { handOffs } from "./hand-offs.js";
import { localHandOffs } from "./local-hand-offs.js";
import { runOnce, type Contest, type Figures, type Span } from "./support/contest.js";
import { missed, table, type Round } from "./support/contest-table.js";
import { describeMachine } from "./support/machine.js";
import { printMachine } from "./support/report.js";
import { turns } from "./turns.js";

const contests: readonly Contest[] = [handOffs, turns, localHandOffs];
const ours = "pulselock";
const peers = ["redis-semaphore", "redlock"];
const span: Span = { hurryMs: 2_000, warmUpMs: 1_000, runMs: 4_000, monitorMs: 1_000 };
const results = fileURLToPath(new URL("../../bench/results/part-3.json", import.meta.url));

const usage = `npm run waiting [-- --runs N] [--only NAME]... [--ours] [--out FILE]
  --runs N     how often each is run (default 5)
  --only NAME  one of: ${contests.map(({ name }) => name).join(", ")}
  --ours       without the others: shown, and not kept
  --out FILE   where it is kept (default bench/results/part-3.json)`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      only: { type: "string", multiple: true },
      ours: { type: "boolean", default: false },
      out: { type: "string", default: results },
      peers: { type: "string" },
    },
  });
  const runs = Number(values.runs);
  const chosen = contests.filter(({ name }) => values.only?.includes(name) ?? true);
  const isUnknown = values.only?.some((name) => !contests.some((contest) => contest.name === name)) ?? false;
  if (!Number.isSafeInteger(runs) || runs < 1 || isUnknown) throw new RangeError(usage);
  const machine = describeMachine();
  printMachine(machine);
  const random = seed();
  const names = values.ours ? [ours] : [ours, ...peers];
  let isGood = true;
  for (const contest of chosen) {
    console.log(`• ${contest.name}: ${contest.asks}`);
    const rounds: Round[] = [];
    for (let run = 0; run < runs; run++) rounds.push(await playRound(contest, names, run, random, values.peers));
    console.log(`${table(rounds, names).join("\n")}\n`);
    const failures = missed(contest, rounds, ours);
    for (const failure of failures) console.log(`✖ ${contest.name}: ${failure}`);
    isGood &&= failures.length === 0;
    const measuredAt = new Date().toISOString();
    if (values.ours) console.log("• not kept: the others were left out");
    else append(values.out, { name: contest.name, measuredAt, machine, seed: random, missed: failures, rounds });
  }
  return isGood ? 0 : 1;
}

/** Each locker once, another one first each time: what disturbs the machine disturbs them all. */
async function playRound(
  contest: Contest,
  names: readonly string[],
  run: number,
  random: number,
  peersFolder = "",
): Promise<Round> {
  const round: Record<string, Figures> = {};
  const load = loadavg()[0] ?? NaN;
  for (let at = 0; at < names.length; at++) {
    const name = names[(at + run) % names.length]!;
    const ourModule = new URL("./support/ours.js", import.meta.url).href;
    const module = name === ours ? ourModule : pathToFileURL(join(peersFolder, `${name}.mjs`)).href;
    round[name] = contest.figures(await runOnce(contest, module, span, random + run));
  }
  console.log(`    run ${run + 1}, load ${load.toFixed(1)}`);
  return { load, figures: round };
}

function append(path: string, entry: unknown): void {
  const entries = [...readEntries(path), entry];
  const text = JSON.stringify(
    entries,
    (_key, value: unknown) =>
      typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value,
    1,
  );
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${text}\n`);
  console.log(`• kept in ${path}`);
}

function readEntries(path: string): unknown[] {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof RangeError || error instanceof TypeError ? `✖ ${error.message}` : error);
  process.exitCode = 1;
}
