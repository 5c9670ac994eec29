// What a run of the mutants found, as Markdown.

import { cpus } from "node:os";
import { execFileSync } from "node:child_process";
import { root } from "../steps.mjs";

/** `results`: one {mutant, invalid?, caught: {catcher: {what, seeds, afterMs}}, tried: [catcher]} a mutant. */
export function renderReport(results, laterMutants, command) {
  const survivors = results.filter((result) => !result.invalid && !isCaught(result));
  const invalid = results.filter((result) => result.invalid);
  const caught = results.filter(isCaught);
  const seeds = caught.flatMap(({ caught }) => Object.values(caught).map(({ seeds }) => seeds ?? [])).flat();
  return [
    `${results.length} mutants, ${caught.length} caught, ${survivors.length} survived, ${invalid.length} invalid.`,
    ...(seeds.length > 0 ? [`Median seeds to catch, of the ${seeds.length} found by seeds: ${medianOf(seeds)}.`] : []),
    "",
    `Commit ${commit()}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}.`,
    `Command: \`${command}\`.`,
    "",
    "| mutant | rule | where | caught by | seeds | time to catch, s |",
    "| --- | --- | --- | --- | --- | --- |",
    ...results.map(row),
    "",
    "## Survivors",
    "",
    ...(survivors.length === 0
      ? ["None."]
      : survivors.map(({ mutant, tried }) => `- ${mutant.name}: ${tried.join(", ")}`)),
    ...invalid.map(({ mutant, invalid }) => `- ${mutant.name} is invalid: ${invalid.trim().split("\n")[0]}`),
    "",
    "## Not yet",
    "",
    ...laterMutants.map(({ name, why }) => `- ${name}: ${why}`),
    "",
  ].join("\n");
}

function isCaught({ caught }) {
  return Object.keys(caught).length > 0;
}

function row({ mutant, caught, tried, invalid }) {
  const found = Object.values(caught);
  const missed = found.length === 0 ? [] : tried.filter((name) => !caught[name]).map((name) => `not by the ${name}`);
  const words = [...found.map(({ what }) => what.replaceAll("|", "\\|")), ...missed];
  const what = invalid ? "invalid" : words.join("; ") || "**nothing**";
  const seeds = found.map(({ seeds }) => seeds ?? "–").join("; ") || "–";
  const times = found.map(({ afterMs }) => (afterMs / 1_000).toFixed(1)).join("; ") || "–";
  return `| ${mutant.name} | ${mutant.rule} | \`${mutant.file}\` | ${what} | ${seeds} | ${times} |`;
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
