// The first acquire of a process opens two connections, starts a thread and begins a session. What does that cost?

import type { Answer, Question, Setting } from "./support/question.js";
import { openBed } from "./support/bed.js";
import { tryInFreshProcess, type FirstTry } from "./support/fresh-processes.js";

export const firstAcquire: Question = {
  name: "first-acquire",
  asks: "the first acquire of a fresh process, beside a bare client's connect and SET NX",
  runs: 20,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await bed.use();
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const acquired = await tryInFreshProcess("locker", bed.url, `ours-${run}`);
    const set = await tryInFreshProcess("bare", bed.url, `bare-${run}`);
    if (acquired.status !== "SUCCESS" || set.status !== "OK") throw new Error(`${acquired.status}, ${set.status}`);
    ours.push(took(acquired));
    bare.push(took(set));
  }
  return {
    series: [
      { label: "acquire()", unit: "ms", samples: ours },
      { label: "a bare client", unit: "ms", samples: bare },
      { label: "beyond the bare client", unit: "ms", samples: ours.map((ms, run) => ms - (bare[run] ?? NaN)) },
    ],
    notes: ["the namespace was in use before: the very first acquire of all waits out the recovery window too"],
  };
}

function took({ calledMs, answeredMs }: FirstTry): number {
  return answeredMs - calledMs;
}
