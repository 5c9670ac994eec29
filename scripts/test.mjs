// `npm test`: everything. `npm test -- takeover`: the files whose path contains "takeover". SEED=… replays a run.
// Arguments that begin with a dash go to Node: `npm test -- --test-name-pattern="a contender"`.

import { findMissing } from "./lib/missing.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { findTests, runTests } from "./lib/run-tests.mjs";
import { main } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const flags = args.filter((arg) => arg.startsWith("-"));
  const filters = args.filter((arg) => !arg.startsWith("-"));
  const files = findTests(filters);
  const missing = await findMissing(files);
  const able = files.filter((file) => !missing.some((one) => one.files.includes(file)));
  const code = able.length > 0 ? await runTests({ files: able, flags }) : 0;
  for (const { files, why } of missing) console.error(`✖ could not run: ${files.join(", ")}. ${why}`);
  return code === 0 && missing.length > 0 && (process.env.CI || able.length === 0) ? 1 : code;
});
