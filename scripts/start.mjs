// `npm start`: the example, from a fresh clone on. Arguments are passed on.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { fail, main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const example = join("dist", "examples", "rolling-deploy", "main.js");
  if (!existsSync(join(root, example))) fail(`start: ${example} was not built`);
  step(["start:", "examples/rolling-deploy", ...args].join(" "));
  return run(process.execPath, [join(root, example), ...args], { forwardSignals: true });
});
