// `npm run mutants`: breaks one rule of the locker at a time, in a copy, and sees whether anything notices.
// --only name,name   these mutants alone       --quick   the unit and contract tests alone
// --catchers unit,simulator   these catchers alone
// --every            all catchers, also after the first has caught it       --all-tests   every fast test, not only
// the named ones
// --seeds N --seed S --seconds T   for the simulator, each mutant       --write   the table into test/mutants/README.md
// --add file         what another run with --json found, by other catchers, into the table as well
// --json file        the results as they are, kept up to date       --resume   what that file has is not run again

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { catchers, runTests, testsFor } from "./lib/mutants/catchers.mjs";
import { isCaught, isCatch, joinResults, readKnown, renderReport } from "./lib/mutants/report.mjs";
import { applyMutant, buildTree, copyTree } from "./lib/mutants/tree.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { fail, main, root, step } from "./lib/steps.mjs";

const TABLE = join(root, "test", "mutants", "README.md");
const HEAD = "<!-- Below this line: written by `npm run mutants -- --write`. -->";

main(async (args) => {
  const options = readOptions(args);
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const { mutants, laterMutants } = await import(join(root, "dist", "test", "mutants", "all.js"));
  const chosen = choose(mutants, options.only);
  copyTree();
  const wrong = await buildTree();
  if (wrong) fail(`mutants: the unchanged sources do not compile\n${wrong}`);
  await runBaseline(chosen, options);
  const results = [];
  const startedMs = performance.now();
  const earlier = options.resume ? JSON.parse(readFileSync(options.json, "utf8")) : [];
  for (const [i, mutant] of chosen.entries()) {
    const known = earlier.find((result) => result.mutant.name === mutant.name);
    results.push(known ?? (await tryMutant(mutant, options)));
    step(`mutants: ${i + 1}/${chosen.length} ${describe(results.at(-1))}`);
    if (options.json) writeFileSync(options.json, JSON.stringify(results));
  }
  step(`mutants: ${results.length} in ${((performance.now() - startedMs) / 60_000).toFixed(1)} min`);
  if ((await buildTree()) !== undefined) fail("mutants: without the last mutant the sources no longer compile");
  const other = options.add ? JSON.parse(readFileSync(options.add, "utf8")) : [];
  const report = renderReport(joinResults(results, other), laterMutants, commandOf(args));
  if (options.write) writeReport(report);
  console.log(report);
  return results.every(isCaught) ? 0 : 1;
});

function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      catchers: { type: "string", default: Object.keys(catchers).join() },
      every: { type: "boolean", default: false },
      "all-tests": { type: "boolean", default: false },
      seeds: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      seconds: { type: "string", default: "60" },
      write: { type: "boolean", default: false },
      json: { type: "string" },
      resume: { type: "boolean", default: false },
      add: { type: "string" },
    },
  });
  if (values.resume && !values.json) fail("mutants: --resume needs --json, the file to go on with");
  if (values.write && values.only) fail("mutants: --write needs all mutants, not --only some");
  const [seeds, seed] = [Number(values.seeds), Number(values.seed)];
  if (!Number.isSafeInteger(seeds) || !Number.isSafeInteger(seed)) fail("mutants: --seeds and --seed are numbers");
  const chosen = values.quick ? ["unit"] : values.catchers.split(",");
  const known = readKnown(readFileSync(TABLE, "utf8"));
  return { ...values, catchers: chosen, all: values["all-tests"], seeds, seed, known };
}

/** What gives the same results anew, from nothing. */
function commandOf(args) {
  const file = args.indexOf("--json") + 1;
  const shown = args.filter((arg, i) => !["--json", "--resume", "--write"].includes(arg) && (file === 0 || i !== file));
  return ["npm run mutants", ...(shown.length > 0 ? ["--", ...shown] : [])].join(" ");
}

function choose(mutants, only) {
  if (!only) return mutants;
  const names = only.split(",");
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown.length > 0) fail(`mutants: there is none named ${unknown.join(", ")}`);
  return mutants.filter(({ name }) => names.includes(name));
}

/** What fails without any mutant catches nothing. */
async function runBaseline(chosen, options) {
  const isUnit = options.catchers.includes("unit");
  const tests = isUnit ? [...new Set(chosen.flatMap((mutant) => testsFor(mutant, options.all)))] : [];
  step(`mutants: baseline, ${tests.length} test files without any mutant`);
  let failures = tests.length > 0 ? await runTests(tests, { toTheEnd: true }) : [];
  // A busy machine fails a test of real time now and then: such a file may try again, alone.
  if (failures.length > 0) failures = await runTests(tests.filter(isOneOf(failures)), { toTheEnd: true });
  for (const { test, name, why } of failures) console.error(`  ${test}: ${name}: ${why}`);
  if (failures.length > 0) fail("mutants: the baseline fails, so that nothing would be caught");
  for (const [name, { isThere, run }] of Object.entries(catchers)) {
    const isWanted = options.catchers.includes(name) && chosen.some(isThere);
    if (name === "unit" || name === "model" || !isWanted) continue;
    step(`mutants: baseline of ${name}`);
    const found = await run({}, options);
    if (found) fail(`mutants: ${name} finds something without any mutant: ${found.what}\n${found.output ?? ""}`);
  }
}

/** The contract's cases are told under their own file: when in doubt a test file counts as failed. */
function isOneOf(failures) {
  const names = failures.map(({ test }) => test);
  return (test) => names.includes(test) || names.some((name) => name === "" || name.startsWith("contract/"));
}

async function tryMutant(mutant, options) {
  const takeOut = applyMutant(mutant);
  const caught = {};
  const tried = [];
  try {
    const invalid = await buildTree();
    if (invalid) return { mutant, invalid, caught, tried };
    for (const [name, { isThere, run }] of Object.entries(catchers)) {
      if (!options.catchers.includes(name) || !isThere(mutant)) continue;
      tried.push(name);
      const found = await run(mutant, options);
      if (found?.invalid) return { mutant, invalid: found.invalid, caught, tried };
      if (found) caught[name] = found;
      if (found && isCatch(mutant, found) && !options.every) break;
    }
    return { mutant, caught, tried };
  } finally {
    takeOut();
  }
}

function describe({ mutant, invalid, caught, tried }) {
  const found = Object.values(caught).map(({ what, afterMs }) => `${what} (${(afterMs / 1_000).toFixed(1)} s)`);
  if (invalid) return `${mutant.name}: invalid\n${invalid}`;
  if (!isCaught({ mutant, caught })) found.push(`SURVIVED ${tried.join(", ")}`);
  return `${mutant.name}: ${found.join("; ")}`;
}

function writeReport(report) {
  const [kept] = readFileSync(TABLE, "utf8").split(HEAD);
  writeFileSync(TABLE, `${kept}${HEAD}\n\n${report}`);
}
