// The package as it was last released, built and packed from the history: what a rolling deploy replaces.

import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fail, root, runQuietly, step } from "./steps.mjs";

/** Until there is a release: the state of main before the databases other than Redis. */
const previous = "1fba865c7c2227742dc68757f27f1f5f783eb300";

/** The tarball of the previous build. It is made once and kept in .cache/. */
export async function ensurePreviousBuild() {
  const folder = join(root, ".cache", `previous-${previous.slice(0, 7)}`);
  const tarball = join(folder, "pulselock.tgz");
  if (existsSync(tarball)) return tarball;
  await checkHistory();
  step(`previous build: building and packing ${previous.slice(0, 7)}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const tree = join(folder, "tree");
  mkdirSync(tree);
  const archive = join(folder, "tree.tar");
  await runQuietly("git", ["archive", "--output", archive, previous]);
  await runQuietly("tar", ["-xf", archive, "-C", tree]);
  rmSync(archive);
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  // Its own build, but not its own installation of packages: what it needs is here.
  const build =
    'import("./scripts/lib/build.mjs").then(async ({ build }) => process.exit(await build({ clean: true })))';
  await runQuietly(process.execPath, ["-e", build], { cwd: tree });
  renameSync(await pack(tree, folder), tarball);
  rmSync(tree, { recursive: true });
  return tarball;
}

/** The tarball of the tree as it is built now, in that folder. */
export function packCurrent(folder) {
  return pack(root, folder);
}

/** Without its scripts, which would build again under the feet of whoever runs. */
async function pack(tree, folder) {
  const flags = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  return join(folder, (await runQuietly("npm", flags, { cwd: tree, env })).trim().split("\n").at(-1));
}

async function checkHistory() {
  const has = await runQuietly("git", ["cat-file", "-e", `${previous}^{commit}`]).then(
    () => true,
    () => false,
  );
  if (has) return;
  const isShallow = (await runQuietly("git", ["rev-parse", "--is-shallow-repository"])).trim() === "true";
  const why = isShallow ? "the history is shallow: git fetch --unshallow" : "this repository does not have it";
  fail(`previous build: commit ${previous.slice(0, 7)} is needed, and ${why}`);
}
