// What may catch a mutant, from the cheapest to the dearest. To add one, add it to `catchers`.

import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { root, step } from "../steps.mjs";
import { pathsUnder } from "../build-stamp.mjs";
import { runCaptured } from "./run-captured.mjs";
import { tree } from "./tree.mjs";

const UNIT_MS_MAX = 240_000;
const FILE_MS_MAX = 90_000;
/** So many of the tests that failed are asked to fail again before it is said that none does. */
const CONFIRMED_MAX = 3;
const HARNESS_MS_MAX = 300_000;
/** How Redis and PostgreSQL say that a script, or a function, cannot be read: what no compiler has looked at before. */
const UNREADABLE = /error compiling script|syntax error at or near|(column|function|relation) \S+ does not exist/i;

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

/**
 * Runs built tests of the tree, or of them the one of that name; the failures in their order, each with when it was
 * told. `noEnd`: it was cut off.
 */
export async function runTests(tests, { toTheEnd, named }) {
  const reporter = join(root, "scripts", "lib", "mutants", "failures-reporter.mjs");
  const flags = ["--test", "--test-concurrency=2", `--test-reporter=${reporter}`, `--test-timeout=${FILE_MS_MAX}`];
  if (named !== undefined) flags.push(`--test-name-pattern=${named.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")}$`);
  const files = tests.map((test) => join("dist", "test", `${test}.test.js`));
  const startedMs = performance.now();
  const failures = [];
  const onLine = (line) => {
    if (!line.startsWith("{")) return false;
    const { name, file, why, noEnd } = JSON.parse(line);
    const test = file ? relative(join(tree, "dist", "test"), file).replace(/(\.test)?\.js$/, "") : "";
    const isWhole = file !== undefined && name.endsWith(".js"); // a file that failed as one bears its path as its name
    const told = isWhole ? "the whole file" : name;
    failures.push({ test, name: told, isWhole, why, noEnd, afterMs: performance.now() - startedMs });
    return !toTheEnd && !noEnd;
  };
  const timeoutMs = UNIT_MS_MAX + tests.length * 20_000;
  const options = { cwd: tree, timeoutMs, env: { ...process.env, SEED: "1" }, onLine };
  const { code, output } = await runCaptured(process.execPath, [...flags, ...files], options);
  if (code === undefined && failures.length === 0)
    failures.push({ test: "", name: "no end", why: "deadline", noEnd: true, afterMs: UNIT_MS_MAX });
  else if (code !== 0 && failures.length === 0) throw new Error(`the tests did not run:\n${output}`);
  return failures;
}

/**
 * First the test alone that caught it the last time, by the table. And what failed once by itself must not hide what
 * the mutant breaks: after such a failure the tests are run to their end.
 */
function attempts(known) {
  const all = [{ toTheEnd: false }, { toTheEnd: true }];
  return known === undefined ? all : [{ toTheEnd: false, named: known }, ...all];
}

/** A test of real time fails now and then by itself: what fails once, and not again, has caught nothing. */
async function failsAgain(tests, { name, isWhole }) {
  const again = await runTests(tests, isWhole ? { toTheEnd: false } : { toTheEnd: false, named: name });
  return again.some((failure) => failure.name === name && !failure.noEnd);
}

/**
 * Each tells, for the tree as it is, undefined or what it found: {what, noEnd, seeds, afterMs}. `seeds` only where a
 * seed means a run of its own; `noEnd`: it was cut off, which catches nothing, but for a rule about ending. Or
 * {invalid}: why the mutant is none.
 */
export const catchers = {
  unit: {
    isThere: () => true,
    async run(mutant, { all, known }) {
      const tests = testsFor(mutant, all);
      const passed = new Set();
      let failures = [];
      for (const { toTheEnd, named } of all ? [{ toTheEnd: true }] : attempts(known.get(mutant.name))) {
        failures = tests.length === 0 ? [] : await runTests(tests, { toTheEnd, named });
        const unreadable = failures.find(({ why }) => UNREADABLE.test(why));
        if (unreadable) return { invalid: unreadable.why };
        const doubtful = failures.filter(({ name, noEnd }) => !noEnd && !passed.has(name));
        for (const failure of doubtful.slice(0, CONFIRMED_MAX)) {
          const { test, name, afterMs } = failure;
          if (await failsAgain(tests, failure)) return { what: `${test}: ${name}`, afterMs, failures };
          passed.add(name);
          step(`mutants: ${test}: ${name}: failed once, and not again`);
        }
        if (doubtful.length === 0 && named === undefined) break;
      }
      const endless = failures.find(({ noEnd }) => noEnd);
      return endless && { what: `${endless.test || "the tests"}: no end`, noEnd: true, afterMs: endless.afterMs };
    },
  },
  simulator: {
    isThere: ({ protocol }) => protocol === true && hasScript("simulate"),
    run: (_mutant, { seeds, seed, seconds }) =>
      runSeeds("simulate", ["--seeds", seeds, "--seed", seed, "--seconds", seconds], seed),
  },
  /** Says that the rule is needed, not that breaking it in the code is noticed: alone it catches nothing. */
  model: {
    isThere: ({ model }) => model !== undefined && hasScript("model"),
    async run({ model }) {
      // A variant of the model that fails is what is expected there: then the exit code is 0.
      const command = [join("scripts", "model.mjs"), `M_${model}`];
      const { code, tookMs } = await runCaptured(process.execPath, command, { cwd: tree, timeoutMs: HARNESS_MS_MAX });
      return code === 0 ? { what: `model: variant M_${model} fails`, isVariant: true, afterMs: tookMs } : undefined;
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
  return { what, noEnd: code === undefined, seeds, afterMs: tookMs, output };
}
