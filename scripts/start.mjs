// `npm start`: the rolling deploy, from a fresh clone on. `npm start cron`: another example, by its name.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { fail, main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const folder = args.length === 0 ? "rolling-deploy" : "pods";
  const example = join("dist", "examples", folder, "main.js");
  if (!existsSync(join(root, example))) fail(`start: ${example} was not built`);
  step(["start:", `examples/${folder}`, ...args].join(" "));
  return run(process.execPath, [join(root, example), ...args], { forwardSignals: true });
});
