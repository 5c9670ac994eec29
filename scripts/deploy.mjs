// `npm run deploy [-- --backend sqlite,cluster --seconds 180]`: a rolling deploy of the package itself: two builds on
// one store, under load.

import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensurePostgres, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis(); // the judge keeps its book there, whatever the store
  const isAsked = args.some((arg) => arg.startsWith("--backend"));
  if (!isAsked || args.some((arg) => /postgres|tiers/.test(arg))) await ensurePostgres();
  await ensureBuild();
  step(["deploy:", ...args].join(" "));
  return run(process.execPath, [join(root, "dist", "test", "deploy", "main.js"), ...args], { forwardSignals: true });
});
