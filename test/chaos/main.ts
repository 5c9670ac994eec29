// `npm run chaos`: real processes, a real store, a seeded schedule of faults, and a verdict.

import { readArguments } from "./arguments.js";
import { runMany } from "./many.js";

const { violations, broken } = await runMany(readArguments(process.argv.slice(2)));
process.exitCode = violations === 0 && broken.length === 0 ? 0 : 1;
