// `npm run recipe`: how many acknowledged updates a lock loses when its holders are paused. See README.md.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { mulberry32, seed } from "../../test/support/wait.js";
import { describeMachine } from "../support/machine.js";
import { printMachine } from "../support/report.js";
import { failuresOf, pauses, recipe, runSubject, type Pause, type RunResult } from "./recipe.js";
import { subjects, type SubjectName } from "./subject.js";
import { row, tableHead } from "./table.js";

const usage = `npm run recipe -- [--minutes M] [--peers] [--pause ${pauses.join("|")}] [--only NAME]`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    peers: { type: "string" },
    pause: { type: "string", default: "anyone" },
    only: { type: "string", multiple: true },
  },
});
const runs = Number(values.minutes);
const pause = values.pause as Pause;
if (!Number.isInteger(runs) || runs < 1 || !pauses.includes(pause)) throw new Error(usage);

const chosen = subjects.filter(
  ({ name, is }) => (is === "ours" || values.peers !== undefined) && (values.only?.includes(name) ?? true),
);
if (chosen.length === 0) throw new Error(`--only: one of ${subjects.map(({ name }) => name).join(", ")}; ${usage}`);

printMachine(describeMachine());
const random = mulberry32(seed());
const { ttlMs, processes, pauseEveryMs, pauseMs, writeDelayMsMax } = recipe;
console.log(`• TTL ${ttlMs} ms, ${processes} processes, write delay 0 to ${writeDelayMsMax} ms`);
console.log(`• every ${pauseEveryMs} ms a pause of ${pauseMs} ms of ${pause}; ${runs} runs of a minute each`);
const rows: string[] = [];
for (const subject of chosen) {
  console.log(`• ${label(subject)}`);
  const setup = { subject, module: moduleOf(subject), runs, runMs: 60_000, pause, random };
  const results = await runSubject(setup, tellRun);
  rows.push(row(label(subject), results));
  if (subject.is !== "ours") continue;
  const failures = failuresOf(results);
  for (const failure of failures) console.log(`✖ ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}
console.log([...tableHead, ...rows].join("\n"));

function tellRun({ plain, fenced, refused, told, pauses, errors }: RunResult): void {
  const ofFenced = fenced ? `, fenced ${fenced.lost} of ${fenced.acked} lost, ${refused} refused` : "";
  const other = Object.keys(errors).length === 0 ? "" : `, threw ${JSON.stringify(errors)}`;
  console.log(`    ${pauses} pauses: ${plain.lost} of ${plain.acked} lost, told ${told}${ofFenced}${other}`);
}

function label({ name, note }: SubjectName): string {
  return note === undefined ? name : `${name}, ${note}`;
}

function moduleOf({ name, is }: SubjectName): string {
  if (is === "ours") return new URL("./ours.js", import.meta.url).href;
  return pathToFileURL(join(values.peers ?? "", `${name}.mjs`)).href;
}
