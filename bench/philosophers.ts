// Five processes that wait in a circle: how soon one of them is told, so that the others go on.

import { newPrefix } from "../test/support/lockers.js";
import { openTable } from "../test/support/philosophers.js";
import { openBed } from "./support/bed.js";
import { rounds, type Answer, type Question, type Setting } from "./support/question.js";

const SEATS = 5;

export const philosophers: Question = {
  name: "philosophers",
  asks: "5 processes, each holds its left fork and asks for the right one → the one that asked last gets DeadlockError",
  runs: 20,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  const { runs, tell } = setting;
  await using bed = await openBed();
  await using table = await openTable(bed.url, newPrefix(), SEATS);
  const told: number[] = [];
  let victims = 0;
  for (const _run of rounds(setting)) {
    const { toldAfterMs } = await table.round();
    victims += toldAfterMs.length;
    told.push(Math.max(...toldAfterMs));
  }
  const broken = await table.dine(runs, 1);
  tell(`${victims} victims of ${runs} circles; ${SEATS * runs} meals at leisure, ${broken} circles on the way`);
  return { series: [{ label: "the victim is told", unit: "ms", samples: told, bound: { of: "every", atMost: 100 } }] };
}
