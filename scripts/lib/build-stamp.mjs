// When the last good build began, and whether anything has changed since.

import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { root } from "./steps.mjs";

export const sourceFolders = ["src", "worker", "test", "bench", "examples"];

/** Not sources, but what they become depends on them too. */
const buildFiles = [
  "tsconfig.json",
  "package-lock.json",
  "scripts/lib/build.mjs",
  "scripts/lib/generate-scripts.mjs",
  "scripts/lib/generate-sql.mjs",
];

const stamp = join(root, "dist", ".stamp");

/**
 * Why a build is needed, or undefined. Folders count as well as files: theirs is the only date that changes when a
 * file is removed.
 */
export function isBuildStale() {
  if (!existsSync(stamp)) return "there is none";
  const builtMs = statSync(stamp).mtimeMs;
  const inputs = buildFiles.map((name) => join(root, name));
  for (const folder of sourceFolders) inputs.push(...pathsUnder(join(root, folder)));
  const newer = inputs.find((path) => statSync(path).mtimeMs > builtMs);
  return newer && `${relative(root, newer)} is newer`;
}

/** Marks a build as good. `startedMs`, not now: what was saved while tsc ran is not in it. */
export function writeStamp(startedMs) {
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, startedMs / 1_000, startedMs / 1_000);
}

/** The folder itself and all that is in it; nothing when it does not exist. */
export function pathsUnder(folder) {
  if (!existsSync(folder)) return [];
  return [folder, ...readdirSync(folder, { recursive: true }).map((name) => join(folder, name))];
}
