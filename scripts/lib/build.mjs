// The build: Lua and SQL into modules, TypeScript into dist/, and nothing in dist/ without a source.

import { existsSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { pathsUnder, sourceFolders, writeStamp } from "./build-stamp.mjs";
import { generateScripts } from "./generate-scripts.mjs";
import { generateSql } from "./generate-sql.mjs";
import { root, run, step } from "./steps.mjs";

const dist = join(root, "dist");
const buildInfo = join(dist, ".tsbuildinfo");

/** Builds dist/ and returns the exit code of the compiler. `clean`: from nothing, as a package is built. */
export async function build({ clean = false } = {}) {
  if (clean) {
    rmSync(dist, { recursive: true, force: true });
    step("build: dist/ removed");
  }
  generateScripts();
  generateSql();
  // After the generator, or its own output would count as newer than the build.
  const startedMs = Date.now();
  removeOrphans();
  // tsc trusts its notes on what it wrote last time; without them it writes everything again.
  if (isOutputMissing()) rmSync(buildInfo, { force: true });
  step("build: compiling (tsc)");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const code = await run(process.execPath, [tsc, "-p", ".", "--incremental", "--tsBuildInfoFile", buildInfo]);
  if (code === 0) writeStamp(startedMs);
  return code;
}

/** Outputs whose source is gone would go on being imported, tested and packed. */
function removeOrphans() {
  for (const folder of sourceFolders) {
    for (const path of pathsUnder(join(dist, folder))) {
      if (!/\.(d\.ts|js|js\.map)$/.test(path)) continue;
      const source = join(root, relative(dist, path).replace(/\.(d\.ts|js|js\.map)$/, ".ts"));
      if (existsSync(source)) continue;
      rmSync(path);
      step(`build: removed ${relative(root, path)}, its source is gone`);
    }
  }
}

function isOutputMissing() {
  const sources = sourceFolders.flatMap((folder) => pathsUnder(join(root, folder)));
  return sources
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .some((path) => !existsSync(join(dist, relative(root, path).replace(/\.ts$/, ".js"))));
}
