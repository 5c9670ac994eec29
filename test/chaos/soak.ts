// `npm run soak`: as many schedules as the time allows, each of a fresh seed, and one row in the table of results.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readArguments } from "./arguments.js";
import { runMany } from "./many.js";
import { withRow } from "./soak-table.js";

const tablePath = fileURLToPath(new URL("../../../test/faults/README.md", import.meta.url));

const given = process.argv.slice(2);
const isBounded = given.some((arg) => /^--(hours|schedules|duration)\b/.test(arg));
const args = readArguments(isBounded ? given : [...given, "--hours", "1"]);
const totals = await runMany({ ...args, quiet: true });

const text = readTable();
writeFileSync(
  tablePath,
  withRow(text, {
    date: new Date().toISOString().slice(0, 10),
    commit: process.env["PULSELOCK_COMMIT"] ?? "unknown",
    backend: args.backend,
    ...totals,
  }),
);
if (totals.violations > 0) console.log(`failed seeds: ${totals.failedSeeds.join(", ")}`);
if (totals.broken.length > 0) console.log(`seeds in which the harness failed: ${totals.broken.join(", ")}`);
process.exitCode = totals.violations === 0 && totals.broken.length === 0 ? 0 : 1;

/** The file's other parts are somebody else's; a missing file is begun. */
function readTable(): string {
  try {
    return readFileSync(tablePath, "utf8");
  } catch {
    return "# Faults\n";
  }
}
