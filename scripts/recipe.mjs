// `npm run recipe`: acknowledged updates that are lost when lock holders are paused, ours and, with --peers, others'.
// Arguments are passed on: see bench/recipes/README.md.

import { join } from "node:path";
import { ensurePeers } from "./lib/peers.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const passed = args.filter((arg) => arg !== "--peers");
  if (passed.length < args.length) passed.push("--peers", await ensurePeers());
  step(["recipe:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "bench", "recipes", "main.js"), ...passed], {
    forwardSignals: true,
  });
});
