// What may catch a mutant, from the cheapest to the dearest. To add one, add it to `catchers`.

import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { root, step } from "../steps.mjs";
import { pathsUnder } from "../build-stamp.mjs";
import { runCaptured } from "./run-captured.mjs";
import { tree } from "./tree.mjs";

const UNIT_MS_MAX = 240_000;
const FILE_MS_MAX = 90_000;
const HARNESS_MS_MAX = 300_000;

/** On a fake clock, pure, or one server with no waits: the whole of it takes seconds. */
const fastTests = [
  /^(acquisition|batch|contention|errors|give-back|holdings|host-facts|lease-deadlines|options)[\w-]*$/,
  /^(session|shared-cells|signals|takeover|trust)[\w-]*$/,
  /^worker\//,
  /^databases\/redis\/(records|redis-|memory-full)[\w-]*$/,
];

/** The tests that a mutant names, or with `all` every fast one as well. */
export function testsFor({ caughtBy }, all) {
  const fast = all ? builtTests().filter((test) => fastTests.some((pattern) => pattern.test(test))) : [];
  return [...new Set([...caughtBy, ...fast])];
}

function builtTests() {
  const folder = join(root, "dist", "test");
  return pathsUnder(folder)
    .filter((path) => path.endsWith(".test.js"))
    .map((path) => relative(folder, path).replace(/\.test\.js$/, ""));
}

/** Runs built tests of the tree; the failures in their order, each with when it was told. */
export async function runTests(tests, { toTheEnd }) {
  const reporter = join(root, "scripts", "lib", "mutants", "failures-reporter.mjs");
  const flags = ["--test", "--test-concurrency=2", `--test-reporter=${reporter}`, `--test-timeout=${FILE_MS_MAX}`];
  const files = tests.map((test) => join("dist", "test", `${test}.test.js`));
  const startedMs = performance.now();
  const failures = [];
  const onLine = (line) => {
    if (!line.startsWith("{")) return false;
    const { name, file, why } = JSON.parse(line);
    const test = file ? relative(join(tree, "dist", "test"), file).replace(/(\.test)?\.js$/, "") : "";
    failures.push({ test, name, why, afterMs: performance.now() - startedMs });
    return !toTheEnd;
  };
  const options = { cwd: tree, timeoutMs: UNIT_MS_MAX, env: { ...process.env, SEED: "1" }, onLine };
  const { code, output } = await runCaptured(process.execPath, [...flags, ...files], options);
  if (code === undefined && failures.length === 0)
    failures.push({ test: "", name: "no end", why: "deadline", afterMs: UNIT_MS_MAX });
  else if (code !== 0 && failures.length === 0) throw new Error(`the tests did not run:\n${output}`);
  return failures;
}

/**
 * Each tells, for the tree as it is, undefined or what it caught: {what, seeds, afterMs}. `seeds` only where a seed
 * means a run of its own.
 */
export const catchers = {
  unit: {
    isThere: () => true,
    async run(mutant, { all }) {
      const tests = testsFor(mutant, all);
      const failures = tests.length === 0 ? [] : await runTests(tests, { toTheEnd: all });
      if (failures.length === 0) return undefined;
      const [{ test, name, afterMs }] = failures;
      return { what: `${test}: ${name}`, afterMs, failures };
    },
  },
  simulator: {
    isThere: ({ protocol }) => protocol === true && hasScript("simulate"),
    run: (_mutant, { seeds, seed, seconds }) =>
      runSeeds("simulate", ["--seeds", seeds, "--seed", seed, "--seconds", seconds], seed),
  },
  model: {
    isThere: ({ model }) => model !== undefined && hasScript("model"),
    async run({ model }) {
      // A variant of the model that fails is what is expected there: then the exit code is 0.
      const command = [join("scripts", "model.mjs"), `M_${model}`];
      const { code, tookMs } = await runCaptured(process.execPath, command, { cwd: tree, timeoutMs: HARNESS_MS_MAX });
      return code === 0 ? { what: `model: M_${model}`, afterMs: tookMs } : undefined;
    },
  },
  chaos: {
    isThere: ({ protocol }) => protocol === true && hasScript("chaos"),
    run: (_mutant, { seed }) => runSeeds("chaos", ["--seed", seed, "--duration", "60s", "--quiet"], seed),
  },
};

function hasScript(name) {
  return existsSync(join(tree, "scripts", `${name}.mjs`));
}

/** A harness of ours: exit code 1 is a violation, and what it says names the seed. */
async function runSeeds(script, args, firstSeed) {
  const command = [join("scripts", `${script}.mjs`), ...args.map(String)];
  const { code, output, tookMs } = await runCaptured(process.execPath, command, {
    cwd: tree,
    timeoutMs: HARNESS_MS_MAX,
  });
  if (code === 0) return undefined;
  // The simulator's "seed 7: S1 at ...", the chaos harness's "✖ · seed 7 · ...".
  const seed = /^(?:✖ · )?seed (\d+)/m.exec(output)?.[1];
  if (code !== undefined && seed === undefined) {
    step(`mutants: ${script} does not run with this one, which catches nothing: ${output.trim().split("\n").at(-1)}`);
    return undefined;
  }
  const what = code === undefined ? `${script}: no end` : `${script}: seed ${seed}`;
  const seeds = seed && firstSeed !== undefined ? Number(seed) - firstSeed + 1 : undefined;
  return { what, seeds, afterMs: tookMs, output };
}
