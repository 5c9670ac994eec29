// `npm run soak`: as many schedules as the time allows, each of a fresh seed, and one row in the table of results.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readArguments } from "./arguments.js";
import { canDropPackets, enterNamespace, whyNoDrops } from "./kernel-faults.js";
import { runMany } from "./many.js";
import { withRow } from "./soak-table.js";

const tablePath = fileURLToPath(new URL("../../../test/faults/README.md", import.meta.url));

async function main(): Promise<number> {
  const given = process.argv.slice(2);
  const isBounded = given.some((arg) => /^--(hours|schedules|duration)\b/.test(arg));
  const args = readArguments(isBounded ? given : [...given, "--hours", "1"]);
  if (!canDropPackets() && whyNoDrops() === undefined) return enterNamespace();
  const totals = await runMany({ ...args, quiet: true });
  const date = new Date().toISOString().slice(0, 10);
  const commit = process.env["PULSELOCK_COMMIT"] ?? "unknown";
  writeFileSync(tablePath, withRow(readTable(), { date, commit, backend: args.backend, ...totals }));
  const { violations, failedSeeds, broken } = totals;
  if (violations > 0) console.log(`failed seeds: ${failedSeeds.join(", ")}`);
  if (broken.length > 0) console.log(`seeds in which the harness failed: ${broken.join(", ")}`);
  return violations === 0 && broken.length === 0 ? 0 : 1;
}

/** The file's other parts are somebody else's; a missing file is begun. */
function readTable(): string {
  try {
    return readFileSync(tablePath, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return "# Faults\n";
  }
}

process.exitCode = await main();
