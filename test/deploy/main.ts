// `npm run deploy`: see drill.ts. Options: --backend (default all, one after the other), --seconds for each (default
// 60), --previous (a commit instead of the last release), --seed.

import { parseArgs } from "node:util";
import { seed } from "../support/wait.js";
import { faultsOf, runDeploy } from "./drill.js";
import { BACKENDS, type Backend } from "./stores.js";

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: BACKENDS.join(",") },
    seconds: { type: "string", default: "60" },
    previous: { type: "string" },
    seed: { type: "string" },
  },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error(`--seconds: a number above 0, not ${values.seconds}`);
const backends = values.backend.split(",") as Backend[];
const unknown = backends.filter((backend) => !BACKENDS.includes(backend));
if (unknown.length > 0) throw new Error(`--backend: some of ${BACKENDS.join(",")}, not ${unknown.join(",")}`);
const drawn = values.seed === undefined ? seed() : Number(values.seed);
let failures = 0;
for (const backend of backends) {
  const options = { backend, ms: seconds * 1_000, seed: drawn, previous: values.previous };
  const report = await runDeploy(options);
  const { served, wrong: _, ...counts } = report;
  const wrong = faultsOf(report);
  console.log(`• ${backend}, ${seconds} s, seed ${drawn}:`, counts);
  console.table(served);
  for (const one of wrong.slice(0, 20)) console.log(`✖ ${one}`);
  console.log(wrong.length === 0 ? "• nothing went wrong" : `✖ ${wrong.length} things went wrong`);
  failures += wrong.length;
}
process.exitCode = failures === 0 ? 0 : 1;
