// `npm run loss`: packet loss, by the kernel where it can be had. Arguments are passed on: see test/loss/main.ts.

import { join } from "node:path";
import { ensureNftables } from "./lib/nftables.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureNftables();
  await ensureBuild();
  step(["loss:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "test", "loss", "main.js"), ...args], { forwardSignals: true });
});
