// Runs the built tests with any Node binary.

import { randomInt } from "node:crypto";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { pathsUnder } from "./build-stamp.mjs";
import { fail, root, run, step } from "./steps.mjs";

/** A test that hangs ends as a failure with a name. The whole file counts as a test here, so this is generous. */
const timeoutMs = process.env.TEST_TIMEOUT_MS ?? "300000";

/**
 * Runs these test files, or those whose path contains one of `filters`, or all. `flags` go to Node as they are. Returns
 * the exit code of the runner; no exit is forced, so a test that leaves something open shows.
 */
export async function runTests({ node = process.execPath, filters = [], files = findTests(filters), flags = [] } = {}) {
  const seed = process.env.SEED || String(randomInt(2 ** 32));
  step(`test: ${files.length} files, SEED=${seed}`);
  const runner = ["--test", "--test-concurrency=2", `--test-timeout=${timeoutMs}`, ...reporters()];
  const env = { ...process.env, SEED: seed };
  return run(node, [...runner, ...flags, ...files], { env, forwardSignals: true });
}

/** Node's own, and then what could not run. */
function reporters() {
  const own = pathToFileURL(join(root, "scripts", "lib", "not-run-reporter.mjs")).href;
  return ["spec", own].flatMap((name) => [`--test-reporter=${name}`, "--test-reporter-destination=stdout"]);
}

/** The compiled test files whose path contains one of `filters`, or all. */
export function findTests(filters = []) {
  const files = pathsUnder(join(root, "dist", "test"))
    .filter((path) => path.endsWith(".test.js"))
    .map((path) => relative(root, path))
    .toSorted();
  const wanted = filters.length === 0 ? files : files.filter((file) => filters.some((filter) => file.includes(filter)));
  if (wanted.length === 0) fail(`test: no file matches ${filters.join(", ") || "*.test.ts"}`);
  return wanted;
}
