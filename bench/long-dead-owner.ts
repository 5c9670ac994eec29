// A process died an hour ago without a word. A fresh one, a cron job say, tries its key once and does not wait.

import { rounds, type Answer, type Bound, type Question, type Setting } from "./support/question.js";
import { openBed, type Bed } from "./support/bed.js";
import { openProcess } from "./support/processes.js";
import { tryInFreshProcess } from "./support/fresh-processes.js";

const hourMs = 3_600_000;
/** What the owner is condemned for, on the same host and on another one. */
const proofs = { near: "proof", far: "disconnected" } as const;

export const longDeadOwner: Question = {
  name: "long-dead-owner",
  asks: "an owner killed an hour ago; a fresh process tries once, without waitMs → SUCCESS",
  runs: 5,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  await using bed = await openBed();
  await bed.use();
  const times: Record<"near" | "far", { acquire: number[]; spawn: number[] }> = {
    near: { acquire: [], spawn: [] },
    far: { acquire: [], spawn: [] },
  };
  for (const run of rounds(setting)) {
    for (const where of ["near", "far"] as const) {
      const key = `${where}-${run}`;
      await leaveBehind(bed, key, where === "far");
      const tried = await tryInFreshProcess("locker", bed.url, key);
      const { spawnedMs, calledMs, answeredMs, status, takenFor } = tried;
      if (status !== "SUCCESS" || takenFor !== proofs[where]) throw new Error(`${key}: ${status} "${takenFor}"`);
      times[where].acquire.push(answeredMs - calledMs);
      times[where].spawn.push(answeredMs - spawnedMs);
    }
  }
  const bound: Bound = { of: "every", atMost: 2_000 };
  return {
    series: [
      { label: "same host, from acquire()", unit: "ms", samples: times.near.acquire, bound },
      { label: "same host, from the spawn", unit: "ms", samples: times.near.spawn },
      { label: "another host, from acquire()", unit: "ms", samples: times.far.acquire, bound },
      { label: "another host, from the spawn", unit: "ms", samples: times.far.spawn },
    ],
    notes: ["simulated: the owner is killed with SIGKILL and the time of its last ping set back by an hour"],
  };
}

/** A key whose owner has been dead for an hour, its sockets long closed. */
async function leaveBehind(bed: Bed, key: string, isFar: boolean): Promise<void> {
  await using owner = await openProcess(bed.url);
  await owner.hold(key);
  const session = await bed.holderSession(key);
  owner.signal("SIGKILL");
  await owner.end();
  await bed.silence(session, hourMs);
  if (isFar) await bed.moveToAnotherHost(session);
}
