// `npm run deploy`: see drill.ts. Options: --seconds (default 120), --seed.

import { parseArgs } from "node:util";
import { startRedis } from "../support/redis-server.js";
import { seed } from "../support/wait.js";
import { runDeploy } from "./drill.js";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "120" }, seed: { type: "string" } } });
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error(`--seconds: a number above 0, not ${values.seconds}`);
await using redis = await startRedis();
const drawn = values.seed === undefined ? seed() : Number(values.seed);
const { served, wrong, ...counts } = await runDeploy(redis.url, { ms: seconds * 1_000, seed: drawn });
console.log(`• seed ${drawn}:`, counts);
console.table(served);
for (const one of wrong.slice(0, 20)) console.log(`✖ ${one}`);
console.log(wrong.length === 0 ? "• nothing went wrong" : `✖ ${wrong.length} things went wrong`);
process.exitCode = wrong.length === 0 ? 0 : 1;
