// `npm run deploy [-- --seconds 180]`: a rolling deploy of the package itself: two builds on one store, under load.

import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  step(["deploy:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "test", "deploy", "main.js"), ...args], { forwardSignals: true });
});
