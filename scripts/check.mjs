// `npm run check`: all that can be said about the code without running it. `--fix` lets the tools repair what they can.

import { join } from "node:path";
import { ensureBuild, ensureDependencies } from "./lib/setup.mjs";
import { generateScripts } from "./lib/generate-scripts.mjs";
import { generateSql } from "./lib/generate-sql.mjs";
import { runTests } from "./lib/run-tests.mjs";
import { StepFailure, main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  const fix = args.includes("--fix");
  await ensureDependencies();
  generateScripts();
  generateSql();
  const checks = {
    types: () => runPackage("typescript", "bin/tsc", "-p", ".", "--noEmit"),
    lint: () => runPackage("oxlint", "bin/oxlint", "--deny-warnings", ...(fix ? ["--fix"] : [])),
    format: () => runPackage("prettier", "bin/prettier.cjs", "--log-level=warn", fix ? "--write" : "--check", "."),
    "house rules": () => houseRules(),
  };
  const failed = [];
  // All of them, also after a failure: one run tells everything there is to repair.
  for (const [name, check] of Object.entries(checks)) {
    step(`check: ${name}`);
    if ((await check()) !== 0) failed.push(name);
  }
  step(failed.length === 0 ? "check: all passed" : `check: failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
});

function runPackage(name, program, ...args) {
  return run(process.execPath, [join(root, "node_modules", name, program), ...args]);
}

/** They are a test, so that they run with the others; they need a build, so they come last. */
async function houseRules() {
  try {
    await ensureBuild();
    return await runTests({ filters: ["house-rules"] });
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
    console.error(`✖ ${error.message}`);
    return 1;
  }
}
