// Tests whose needs cannot be had here are left out, and no others; they are told at the end.

import { join } from "node:path";
import { findCommit } from "./previous-build.mjs";
import { ensureOpenssl, ensurePostgres } from "./setup.mjs";
import { StepFailure } from "./steps.mjs";

/** A word in the paths of tests, and what they need; it throws a StepFailure when that cannot be had. */
const needs = [
  { word: "postgres", ensure: ensurePostgres },
  { word: "tiers", ensure: ensurePostgres },
  { word: "-tls.", ensure: ensureOpenssl },
  { word: join("test", "deploy"), ensure: () => findCommit() },
];

/** Which of these test files cannot run, and why: `[{ word, why, files }]`. */
export async function findMissing(files, given = needs) {
  const missing = [];
  for (const { word, ensure } of given) {
    const concerned = files.filter((file) => file.includes(word));
    if (concerned.length === 0) continue;
    const why = await ensure().then(() => undefined, reason);
    if (why !== undefined) missing.push({ word, why, files: concerned });
  }
  return missing;
}

function reason(error) {
  if (error instanceof StepFailure) return error.message;
  throw error;
}
