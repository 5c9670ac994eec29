// `npm run measure`: the measurements of bench/, from a fresh clone on. Arguments are passed on: see bench/README.md.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { fail, main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const program = join("dist", "bench", "measure.js");
  if (!existsSync(join(root, program))) fail(`measure: ${program} was not built`);
  step(["measure:", "bench", ...args].join(" "));
  return run(process.execPath, [join(root, program), ...args], { forwardSignals: true });
});
