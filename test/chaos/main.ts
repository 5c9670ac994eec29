// `npm run chaos`: real processes, a real store, a seeded schedule of faults, and a verdict.

import { readArguments } from "./arguments.js";
import { canDropPackets, enterNamespace, whyNoDrops } from "./kernel-faults.js";
import { runMany } from "./many.js";

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2));
  if (!canDropPackets() && whyNoDrops() === undefined) return enterNamespace();
  const { violations, broken } = await runMany(args);
  return violations === 0 && broken.length === 0 ? 0 : 1;
}

process.exitCode = await main();
