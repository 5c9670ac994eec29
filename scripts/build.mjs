// `npm run build`: dist/, as far as it is out of date. `--package`: a clean build to publish.

import { build } from "./lib/build.mjs";
import { ensureDependencies } from "./lib/setup.mjs";
import { main } from "./lib/steps.mjs";

main(async (args) => {
  await ensureDependencies();
  return build({ clean: args.includes("--package") });
});
