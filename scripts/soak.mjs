// `npm run soak -- --hours 8` or `-- --schedules 300`: schedules of fresh seeds, and one row in test/faults/README.md.

import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensurePostgres, ensureRedis } from "./lib/setup.mjs";
import { main, root, run, runQuietly, step } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  if (args.includes("postgres") || args.includes("tiers")) await ensurePostgres();
  await ensureRedis();
  await ensureBuild();
  step(["soak:", ...args].join(" "));
  const commit = (await runQuietly("git", ["describe", "--always", "--dirty"], { cwd: root })).trim();
  const program = join(root, "dist", "test", "chaos", "soak.js");
  const env = { ...process.env, PULSELOCK_COMMIT: commit };
  return run(process.execPath, [program, ...args], { env, forwardSignals: true });
});
