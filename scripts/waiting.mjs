// `npm run waiting`: how keys are handed from waiter to waiter, by us and by others. Arguments are passed on: see
// bench/README.md.

import { join } from "node:path";
import { ensurePeers } from "./lib/peers.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const passed = args.includes("--ours") ? args : [...args, "--peers", await ensurePeers()];
  step(["waiting:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "bench", "waiting.js"), ...passed], { forwardSignals: true });
});
