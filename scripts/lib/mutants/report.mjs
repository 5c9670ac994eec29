// What a run of the mutants found, as Markdown.

import { cpus } from "node:os";
import { execFileSync } from "node:child_process";
import { root } from "../steps.mjs";

/** Whether what a catcher found shows that this mutant is noticed. */
export function isCatch(mutant, { isVariant = false, noEnd = false }) {
  return !isVariant && (!noEnd || mutant.isAboutEnding === true);
}

export function isCaught({ mutant, caught }) {
  return Object.values(caught).some((found) => isCatch(mutant, found));
}

/** The results of one run, with what another found about the same mutants. */
export function joinResults(results, others) {
  return results.map((result) => {
    const other = others.find(({ mutant }) => mutant.name === result.mutant.name);
    if (!other) return result;
    const tried = [...new Set([...result.tried, ...other.tried])];
    return { ...result, caught: { ...result.caught, ...other.caught }, tried };
  });
}

/** `results`: one {mutant, invalid?, caught: {catcher: {what, noEnd?, seeds?, afterMs}}, tried: [catcher]} a mutant. */
export function renderReport(results, laterMutants, command) {
  const survivors = results.filter((result) => !result.invalid && !isCaught(result));
  const invalid = results.filter((result) => result.invalid);
  const caught = results.filter(isCaught);
  return [
    `${results.length} mutants, ${caught.length} caught, ${survivors.length} survived, ${invalid.length} invalid.`,
    ...seedsToCatch("simulator", results),
    ...seedsToCatch("chaos", results),
    "",
    `Commit ${commit()}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}.`,
    `Command: \`${command}\`.`,
    "",
    "| mutant | rule | where | caught by | simulator's seeds | time to catch, s |",
    "| --- | --- | --- | --- | --- | --- |",
    ...results.map(row),
    "",
    "## Survivors",
    "",
    ...(survivors.length === 0 ? ["None."] : survivors.map(survivor)),
    ...invalid.map(({ mutant, invalid }) => `- ${mutant.name} is invalid: ${invalid.trim().split("\n")[0]}`),
    "",
    "## Not yet",
    "",
    ...laterMutants.map(({ name, why }) => `- ${name}: ${why}`),
    "",
  ].join("\n");
}

/** Of those that it was tried on: how many it found, and the median of the seeds that took. */
function seedsToCatch(name, results) {
  const tried = results.filter((result) => result.tried.includes(name));
  const seeds = tried.flatMap(({ caught }) => caught[name]?.seeds ?? []);
  if (tried.length === 0) return [];
  const median = seeds.length > 0 ? `, median seeds to catch: ${medianOf(seeds)}` : "";
  return [`The ${name} catches ${seeds.length} of the ${tried.length} it was tried on${median}.`];
}

function survivor({ mutant, caught, tried }) {
  const found = Object.values(caught).map(({ what }) => `; ${what}, which catches nothing`);
  return `- ${mutant.name}: ${tried.join(", ")}${found.join("")}`;
}

function row({ mutant, caught, tried, invalid }) {
  const found = Object.values(caught);
  const missed = found.length === 0 ? [] : tried.filter((name) => !caught[name]).map((name) => `not by the ${name}`);
  const words = [...found.map(({ what }) => what.replaceAll("|", "\\|")), ...missed];
  if (!isCaught({ mutant, caught })) words.unshift("**nothing**");
  const what = invalid ? "invalid" : words.join("; ");
  const missing = tried.includes("simulator") ? "none found" : "–";
  const seeds = caught.simulator?.seeds ?? missing;
  const times = found.map(({ afterMs }) => (afterMs / 1_000).toFixed(1)).join("; ") || "–";
  return `| ${mutant.name} | ${mutant.rule} | \`${mutant.file}\` | ${what} | ${seeds} | ${times} |`;
}

/** By mutant, the test that a table says has caught it. */
export function readKnown(text) {
  const row =
    /^\| ([\w-]+) \|[^|]*\|[^|]*\| [\w/-]+: (.+?)(?:; (?:simulate|chaos|model|not by)[^|]*)? \|[^|]*\|[^|]*\|$/gm;
  return new Map([...text.matchAll(row)].map(([, name, test]) => [name, test.replaceAll("\\|", "|")]));
}

export function medianOf(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function commit() {
  const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--", "src", "worker", "test") !== "";
  return `${git("rev-parse", "--short", "HEAD")}${isChanged ? " and changes" : ""}`;
}
