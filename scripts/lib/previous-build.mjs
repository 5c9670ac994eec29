// The package as it was last released, built and packed from the history: what a rolling deploy replaces.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fail, root, runQuietly, step } from "./steps.mjs";

/**
 * The last release. Until there is one: the state of main when it had all of its databases. To be raised with each
 * release, and before one only for what a deploy could not test otherwise (a database that the old build lacks). An
 * older one is tried with `npm run deploy -- --previous <commit>`.
 */
const lastRelease = "44cc732b56e6858a88efe6a247a062f844cecbea";

/** The tarball of that commit's build. It is made once and kept in .cache/. */
export async function ensurePreviousBuild(wanted = lastRelease) {
  const commit = await findCommit(wanted);
  const kept = join(root, ".cache", `previous-${commit.slice(0, 12)}.tgz`);
  if (existsSync(kept)) return kept;
  step(`previous build: building and packing ${commit.slice(0, 7)}`);
  mkdirSync(join(root, ".cache"), { recursive: true });
  // In a folder of its own: two that need it at once both make it, and either's is good.
  const folder = mkdtempSync(join(root, ".cache", "previous-"));
  try {
    renameSync(await buildAndPack(commit, folder), kept);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return kept;
}

/** The tarball of the tree as it is built now, in that folder. */
export function packCurrent(folder) {
  return pack(root, folder);
}

/** Fails, and says why, where the history does not reach back to the commit. Returns its whole id. */
export async function findCommit(wanted = lastRelease) {
  const ask = (...args) =>
    runQuietly("git", args).then(
      (said) => said.trim(),
      () => undefined,
    );
  const commit = await ask("rev-parse", "--verify", "--quiet", `${wanted}^{commit}`);
  if (commit) return commit;
  const isShallow = await ask("rev-parse", "--is-shallow-repository");
  const why = {
    true: "the history is shallow: git fetch --unshallow",
    false: "this repository does not have it: git fetch",
  }[isShallow];
  return fail(`previous build: commit ${wanted.slice(0, 7)} is needed, and ${why ?? "this is no clone made by git"}`);
}

async function buildAndPack(commit, folder) {
  const [tree, archive] = [join(folder, "tree"), join(folder, "tree.tar")];
  mkdirSync(tree);
  await runQuietly("git", ["archive", "--output", archive, commit]);
  await runQuietly("tar", ["-xf", archive, "-C", tree]);
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  // Its own build, but not its own installation of packages: what it needs is here.
  const build =
    'import("./scripts/lib/build.mjs").then(async ({ build }) => process.exit(await build({ clean: true })))';
  await runQuietly(process.execPath, ["-e", build], { cwd: tree });
  return pack(tree, folder);
}

/** Without its scripts, which would build again under the feet of whoever runs. */
async function pack(tree, folder) {
  const flags = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  return join(folder, (await runQuietly("npm", flags, { cwd: tree, env })).trim().split("\n").at(-1));
}
