// Other lockers, for comparisons: bench/peers, copied to .cache/ and installed there. Their packages are none of ours,
// and beside the sources they would be built and checked with them.

import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root, runQuietly, step } from "./steps.mjs";

const source = join(root, "bench", "peers");
const folder = join(root, ".cache", "peers");

/** Installs what bench/peers/package-lock.json lists, and returns the folder with a module for each peer. */
export async function ensurePeers() {
  const isInstalled = existsSync(join(folder, "node_modules")) && isSame("package-lock.json");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(source)) copyFileSync(join(source, name), join(folder, name));
  if (isInstalled) step("peers: installed");
  else {
    step("peers: installing what bench/peers/package-lock.json lists (npm ci)");
    await runQuietly("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
  }
  return folder;
}

function isSame(name) {
  return existsSync(join(folder, name)) && readFileSync(join(folder, name)).equals(readFileSync(join(source, name)));
}
