// `npm test`: everything. `npm test -- takeover`: the files whose path contains "takeover". SEED=… replays a run.
// Arguments that begin with a dash go to Node: `npm test -- --test-name-pattern="a contender"`.

import { ensureBuild, ensureDependencies, ensurePostgres, ensureRedis } from "./lib/setup.mjs";
import { runTests } from "./lib/run-tests.mjs";
import { main, StepFailure } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  const missing = await findMissing();
  await ensureBuild();
  const flags = args.filter((arg) => arg.startsWith("-"));
  const filters = args.filter((arg) => !arg.startsWith("-"));
  const code = await runTests({ filters, flags, without: missing.map(({ word }) => word) });
  for (const { word, why } of missing) console.error(`✖ could not run: the tests of ${word}. ${why}`);
  return code === 0 && missing.length > 0 && process.env.CI ? 1 : code;
});

/** A server that cannot be had here ends the tests that need it, and no others: they are told at the end. */
async function findMissing() {
  try {
    await ensurePostgres();
    return [];
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
    return [{ word: "postgres", why: error.message }];
  }
}
