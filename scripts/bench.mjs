// `npm run bench`: the questions of bench/, ours and others', from a fresh clone on. Arguments are passed on: see
// bench/README.md.

import { join } from "node:path";
import { ensurePeers } from "./lib/peers.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const passed = [...args, "--peers", await ensurePeers()];
  step(["bench:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "bench", "main.js"), ...passed], { forwardSignals: true });
});
