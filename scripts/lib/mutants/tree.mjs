// A copy of the project in which one mutant at a time lives: the real sources are never touched.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../steps.mjs";
import { runCaptured } from "./run-captured.mjs";

/** MUTANTS_TREE: another one, for a second run beside the first. */
export const tree = join(root, ".cache", "mutants", process.env.MUTANTS_TREE ?? "tree");

const copied = [
  "src",
  "worker",
  "test",
  "bench",
  "examples",
  "scripts",
  "package.json",
  "package-lock.json",
  "README.md",
];

/** As `npm run build`, but that a mutant may leave a name without use; writes the stamp that npm scripts look for. */
const buildProgram = `
  import { generateScripts } from "./scripts/lib/generate-scripts.mjs";
  import { generateSql } from "./scripts/lib/generate-sql.mjs";
  import { writeStamp } from "./scripts/lib/build-stamp.mjs";
  import { run } from "./scripts/lib/steps.mjs";
  generateScripts();
  generateSql();
  const startedMs = Date.now();
  const flags = ["-p", ".", "--incremental", "--tsBuildInfoFile", "dist/.tsbuildinfo"];
  const lenient = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"];
  const code = await run(process.execPath, ["node_modules/typescript/bin/tsc", ...flags, ...lenient]);
  if (code === 0) writeStamp(startedMs);
  process.exitCode = code;
`;

const BUILD_MS_MAX = 180_000;

/** Copies the sources anew; what was built there before is kept, so that the next build is a short one. */
export function copyTree() {
  mkdirSync(tree, { recursive: true });
  // Dates are kept: the scripts compare them to know whether something must be installed or built.
  for (const name of [...copied, "tsconfig.json"]) {
    rmSync(join(tree, name), { recursive: true, force: true });
    if (existsSync(join(root, name)))
      cpSync(join(root, name), join(tree, name), { recursive: true, preserveTimestamps: true });
  }
  if (!existsSync(join(tree, "node_modules"))) symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
}

/** Undefined when it was built; else what the compiler said. */
export async function buildTree() {
  const { code, output } = await runCaptured(process.execPath, ["--input-type=module", "-e", buildProgram], {
    cwd: tree,
    timeoutMs: BUILD_MS_MAX,
  });
  return code === 0 ? undefined : output;
}

/** Puts the mutant in; returns what takes it out again. */
export function applyMutant({ name, file, find, replace }) {
  const path = join(tree, file);
  const text = readFileSync(path, "utf8");
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${name}: ${file} has its text ${parts.length - 1} times`);
  writeFileSync(path, parts.join(replace));
  return () => {
    writeFileSync(path, text);
    const now = new Date();
    utimesSync(path, now, now); // later than the build that had the mutant in it
  };
}
