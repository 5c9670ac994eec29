// `npm run model`: the protocol's model, searched in every world, and its mutants, each of which must fail.
// `--quick`: what CI has time for. `npm run model -- loss`: the runs whose name or switch has that word.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { configurations, mutants } from "../test/model/configurations.mjs";
import { readPan } from "./lib/pan.mjs";
import { ensureModelChecker } from "./lib/setup.mjs";
import { main, root, runQuietly, step } from "./lib/steps.mjs";

const model = join(root, "test", "model", "protocol.pml");
const memoryMb = 6_000;
const depthMax = 200_000;
/** A run that takes longer is void, whatever it has searched. */
const runMsMax = 600_000;

main(async (args) => {
  const quick = args.includes("--quick");
  const words = args.filter((arg) => !arg.startsWith("-"));
  await ensureModelChecker();
  const isWanted = (run) =>
    (!quick || run.quick) && (words.length === 0 || words.some((word) => `${run.name} ${run.switch}`.includes(word)));
  const runs = [
    ...configurations.map((run) => ({ ...run, expected: "held" })),
    ...mutants.map((run) => ({ ...run, switches: [...run.in, run.switch], expected: "failed" })),
  ].filter(isWanted);
  let bad = 0;
  console.log(row(["expected", "result", "states", "depth", "seconds", "run"]));
  for (const run of runs) {
    const result = await search(run, quick);
    const isGood = result.verdict === run.expected;
    if (!isGood) bad += 1;
    const { verdict, states, depth, seconds, why } = result;
    const label = `${isGood ? "" : "✖ "}${run.switch ? `mutant: ${run.name} (${run.switch})` : run.name}`;
    console.log(row([run.expected, verdict, states, depth, seconds.toFixed(1), why ? `${label}: ${why}` : label]));
  }
  step(
    bad === 0 && runs.length > 0 ? `model: ${runs.length} runs as expected` : `model: ${bad} of ${runs.length} failed`,
  );
  return bad === 0 && runs.length > 0 ? 0 : 1;
});

/**
 * Builds the verifier of one run in a folder of its own (`quick`: compiled in less time) and runs it. A failed run's
 * folder keeps its counterexample.
 */
async function search({ switches, search: kind, reverse, expected }, quick) {
  const folder = join(root, ".cache", "model", switches.join("-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const cwd = { cwd: folder };
  await runQuietly("spin", [...switches.map((name) => `-D${name}`), "-a", model], cwd);
  const compact = expected === "failed" || kind === "hash-compact" ? "-DHC4" : "-DCOLLAPSE";
  const flags = [quick ? "-O0" : "-O2", "-w", "-DSAFETY", "-DNOREDUCE", compact, `-DMEMLIM=${memoryMb}`];
  if (reverse) flags.push("-DT_REVERSE"); // another order meets this error sooner
  await runQuietly("gcc", [...flags, "-o", "pan", "pan.c"], cwd);
  const startedMs = performance.now();
  const output = await outputOf(join(folder, "pan"), [`-m${depthMax}`, "-w24"], folder);
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

function row([expected, result, states, depth, seconds, name]) {
  const right = (value, width) => String(value).padStart(width);
  return `${expected.padEnd(9)}${result.padEnd(8)}${right(states, 11)}${right(depth, 8)}${right(seconds, 9)}  ${name}`;
}
