// `npm run simulate`: worlds of random faults in the deterministic simulator. Arguments: see test/simulator/main.ts.

import { join } from "node:path";
import { ensureBuild, ensureDependencies } from "./lib/setup.mjs";
import { main, root, run } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureBuild();
  return run(process.execPath, [join(root, "dist", "test", "simulator", "main.js"), ...args], { forwardSignals: true });
});
