// The recipe's results as a table for a reader.

import { median } from "../support/question.js";
import type { RunResult, Tally } from "./recipe.js";

export const tableHead = [
  "| locker | register | acknowledged | lost | % lost (runs: median, min to max) | refused | told | pauses | runs |",
  "|---|---|---|---|---|---|---|---|---|",
];

const NO_TOKEN = "no token: cannot be fenced";

/** Two lines: the unfenced register and the fenced one. */
export function row(label: string, results: readonly RunResult[]): string {
  const pauses = sum(results.map((result) => result.pauses));
  const ends = [sum(results.map(({ told }) => told)), pauses, results.length].join(" | ");
  const plain = results.map((result) => result.plain);
  const fenced = results.flatMap((result) => (result.fenced ? [result.fenced] : []));
  const refused = sum(results.map((result) => result.refused));
  const ofFenced =
    fenced.length === 0 ? `${NO_TOKEN} | – | – | – | ${ends}` : `${losses(fenced)} | ${refused} | ${ends}`;
  return `| ${label} | unfenced | ${losses(plain)} | – | ${ends} |\n| | fenced | ${ofFenced} |`;
}

function losses(tallies: readonly Tally[]): string {
  const acked = sum(tallies.map((tally) => tally.acked));
  const lost = sum(tallies.map((tally) => tally.lost));
  const shares = tallies.map((tally) => share(tally.lost, tally.acked));
  const spread = `${median(shares).toFixed(1)}, ${Math.min(...shares).toFixed(1)} to ${Math.max(...shares).toFixed(1)}`;
  return `${acked} | ${lost} | ${share(lost, acked).toFixed(1)} (${spread})`;
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
