// `npm run chaos -- --seed S --duration 60s --backend redis`: the locker under faults, in real processes.

import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensurePostgres, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  if (args.includes("postgres") || args.includes("tiers")) await ensurePostgres();
  await ensureRedis();
  await ensureBuild();
  step(["chaos:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "test", "chaos", "main.js"), ...args], { forwardSignals: true });
});
