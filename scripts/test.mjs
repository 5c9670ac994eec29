// `npm test`: everything. `npm test -- takeover`: the files whose path contains "takeover". SEED=… replays a run.
// Arguments that begin with a dash go to Node: `npm test -- --test-name-pattern="a contender"`.

import { ensureBuild, ensureDependencies, ensurePostgres, ensureRedis } from "./lib/setup.mjs";
import { runTests } from "./lib/run-tests.mjs";
import { main } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensurePostgres();
  await ensureBuild();
  const flags = args.filter((arg) => arg.startsWith("-"));
  const filters = args.filter((arg) => !arg.startsWith("-"));
  return runTests({ filters, flags });
});
