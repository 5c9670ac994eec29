// `npm run crowd`: 200 lockers on one key. Arguments are passed on: see test/crowd/main.ts.

import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  step(["crowd:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "test", "crowd", "main.js"), ...args], { forwardSignals: true });
});
