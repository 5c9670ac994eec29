// `npm run bench`: the questions of bench/, ours and others', from a fresh clone on. Arguments are passed on: see
// bench/README.md.

import { join } from "node:path";
import { ensurePeers } from "./lib/peers.mjs";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { StepFailure, main, root, run, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const peers = await ensurePeers().catch((error) => tell(error, args));
  step(["bench:", ...args].join(" "));
  const passed = [...args, ...(peers === undefined ? [] : ["--peers", peers])];
  return run(process.execPath, [join(root, "dist", "bench", "main.js"), ...passed], { forwardSignals: true });
});

/** A smoke can do without the others on a developer's machine; in CI, and where they are asked for, nothing can. */
function tell(error, args) {
  if (!(error instanceof StepFailure) || !args.includes("--smoke") || process.env.CI) throw error;
  console.error(`✖ the others' lockers cannot be had here, their questions are left out. ${error.message}`);
  return undefined;
}
