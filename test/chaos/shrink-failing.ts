// A failing schedule made smaller: fewer faults, processes and keys, less time, as long as it fails twice in five runs.

import { failsOften, shrink } from "../history/shrink.js";
import { runSchedule, type Outcome } from "./run-schedule.js";
import { printSchedule, type Schedule } from "./schedule.js";
import type { WorldDeps } from "./world.js";

/** Each candidate is run up to five times, a dozen seconds each. */
const triesMax = 40;

/** Tells each smaller schedule as it is found, the last one as JSON for --schedule. */
export async function shrinkFailing(outcome: Outcome, deps: WorldDeps, say: (line: string) => void): Promise<void> {
  const { rule } = outcome.violations[0]!;
  const failsAgain = failsOften(async (schedule: Schedule) => {
    const { violations } = await runSchedule(schedule, deps);
    return violations.some((violation) => violation.rule === rule);
  });
  say(`shrinking seed ${outcome.schedule.seed}, which broke ${rule}`);
  if (!(await failsAgain(outcome.schedule))) return say(`${rule} did not break again in two of five runs`);
  const { scenario, tries, isMinimal } = await shrink(outcome.schedule, failsAgain, {
    triesMax,
    onSmaller: (smaller, tries) => say(`after ${tries} tries: ${printSchedule(smaller as Schedule)}`),
  });
  say(`${isMinimal ? "nothing more can be left out" : "given up"} after ${tries} tries; for --schedule:`);
  say(JSON.stringify(scenario));
}
