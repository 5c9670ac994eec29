// `npm start`: the rolling deploy, from a fresh clone on; on SQLite, or on the Redis that REDIS_URL names.
// `npm start cron`: another example, by its name, on Redis.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { fail, main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  const folder = args.length === 0 ? "rolling-deploy" : "pods";
  if (folder === "pods") await ensureRedis();
  await ensureBuild();
  const example = join("dist", "examples", folder, "main.js");
  if (!existsSync(join(root, example))) fail(`start: ${example} was not built`);
  step(["start:", `examples/${folder}`, ...args].join(" "));
  return run(process.execPath, [join(root, example), ...args], { forwardSignals: true });
});
