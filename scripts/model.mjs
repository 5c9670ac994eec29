// `npm run model`: the models, searched in every world, and their mutants, each of which must fail.
// `--quick`: what CI has time for. `npm run model -- loss`: the runs whose name or switch has that word.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import * as protocol from "../test/model/configurations.mjs";
import * as queue from "../test/model/queue-configurations.mjs";
import { readPan } from "./lib/pan.mjs";
import { ensureModelChecker } from "./lib/setup.mjs";
import { main, root, runQuietly, step } from "./lib/steps.mjs";

const worlds = [...protocol.configurations, ...queue.configurations];
const mutants = [...protocol.mutants, ...queue.mutants];
const memoryMbMax = 8_000;
const depthMax = 400_000;
/** A run that takes longer is void, whatever it has searched. */
const runMsMax = 900_000;

main(async (args) => {
  const quick = args.includes("--quick");
  const words = args.filter((arg) => !arg.startsWith("-"));
  await ensureModelChecker();
  const isWanted = (run) =>
    (!quick || run.quick) && (words.length === 0 || words.some((word) => wordsOf(run).includes(word)));
  const runs = [
    ...worlds.map((run) => ({ ...run, expected: "held" })),
    ...mutants.map((run) => ({ ...run, switches: [...run.in, run.switch], expected: "failed" })),
  ].filter(isWanted);
  let bad = 0;
  console.log(row(["expected", "result", "states", "depth", "MB", "seconds", "run"]));
  // Mutants are met soon, so they run beside the one large search that wants the memory. Small runs share the cores.
  const lists = quick
    ? Array.from({ length: availableParallelism() }, () => runs)
    : ["held", "failed"].map((expected) => runs.filter((run) => run.expected === expected));
  const total = runs.length;
  const lanes = lists.map(async (list) => {
    for (let run = list.shift(); run; run = list.shift()) {
      const result = await search(run, quick);
      const isGood = result.verdict === run.expected;
      if (!isGood) bad += 1;
      const { verdict, states, depth, memoryMb, seconds, why } = result;
      const label = `${isGood ? "" : "✖ "}${run.switch ? `mutant: ${run.name} (${run.switch})` : run.name}`;
      const shown = why ? `${label}: ${why.slice(0, 60)}` : label;
      console.log(row([run.expected, verdict, states, depth, memoryMb, seconds.toFixed(1), shown]));
    }
  });
  await Promise.all(lanes);
  const isGood = bad === 0 && total > 0;
  step(isGood ? `model: ${total} runs as expected` : `model: ${bad} of ${total} failed`);
  return isGood ? 0 : 1;
});

/**
 * Builds the verifier of one run in a folder of its own and runs it. A failed run's folder keeps its counterexample.
 * Every state is stored as it is, but where the search only has to meet an error, or is said to be no proof.
 */
async function search({ model = "protocol", switches, search: kind, order, expected, quick: isSmall }, quick) {
  const folder = join(root, ".cache", "model", [model, ...switches].join("-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const cwd = { cwd: folder };
  await runQuietly(
    "spin",
    [...switches.map((name) => `-D${name}`), "-a", join(root, "test", "model", `${model}.pml`)],
    cwd,
  );
  const isShort = quick || isSmall; // compiled in less time
  const flags = [isShort ? "-O0" : "-O2", "-w", "-DNOREDUCE", `-DMEMLIM=${quick ? memoryMbMax / 4 : memoryMbMax}`];
  const endless = switches.includes("CALM"); // runs that never end are looked for, too
  if (!endless) flags.push("-DSAFETY");
  if (kind === "hash-compact" || (expected === "failed" && !endless)) flags.push("-DHC4");
  if (order) flags.push(`-D${order}`); // another order meets this error sooner
  await runQuietly("gcc", [...flags, "-o", "pan", "pan.c"], cwd);
  const startedMs = performance.now();
  const options = [`-m${depthMax}`, isShort ? "-w20" : "-w24", ...(endless ? ["-a"] : [])];
  const output = await outputOf(join(folder, "pan"), options, folder);
  const seconds = (performance.now() - startedMs) / 1000;
  writeFileSync(join(folder, "pan.out"), output);
  const result = readPan(output);
  if (result.verdict === expected) rmSync(folder, { recursive: true, force: true });
  return { ...result, seconds };
}

/** What it printed; nothing of it when it had to be ended, and then there is no summary that could be believed. */
function outputOf(program, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), runMsMax);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("error", reject);
    child.once("close", () => {
      clearTimeout(timer);
      resolve(output);
    });
  });
}

function wordsOf({ name, switch: mutant, model }) {
  return `${name} ${mutant ?? ""} ${model ?? ""}`;
}

function row([expected, result, states, depth, memoryMb, seconds, name]) {
  const right = (value, width) => String(value).padStart(width);
  const figures = `${right(states, 11)}${right(depth, 8)}${right(memoryMb, 7)}${right(seconds, 9)}`;
  return `${expected.padEnd(9)}${result.padEnd(8)}${figures}  ${name}`;
}
