// `npm run leaks`: test/leaks with the full count of lifetimes, or as many as LEAK_LIFETIMES says.

import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { runTests } from "./lib/run-tests.mjs";
import { main } from "./lib/steps.mjs";

main(async () => {
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  process.env.LEAK_LIFETIMES ||= "200";
  return runTests({ filters: ["leaks"] });
});
