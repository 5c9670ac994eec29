// A rolling deploy in small: SIGTERM reaches a holder, and another process waits for its key. Ours drains; around the
// others is what a careful service has: a handler that stops the jobs, and ends the process when they are over.

import { openBed, waitForPhase } from "./support/bed.js";
import { grantedAfter } from "./support/holders.js";
import { askPeers } from "./support/peers.js";
import { openProcess } from "./support/processes.js";
import type { Answer, Question, Setting } from "./support/question.js";

const ours = "pulselock";
const pingIntervalMs = 500;
/** The others' waiters look at different moments. */
const phasesMs = 1_000;

export const drain: Question = {
  name: "drain",
  asks: "SIGTERM of a holder whose job looks every 20 ms whether it may go on → the job of a waiting peer starts",
  runs: 20,
  ask: measure,
};

async function measure({ runs, peers }: Setting): Promise<Answer> {
  const others = await askPeers(peers, (holders) => grantedAfter("SIGTERM", holders), phasesMs);
  const { started, exited } = await measureOurs(runs);
  const label = "the other's job starts";
  return {
    series: [
      { label, locker: ours, unit: "ms", samples: started, bound: { of: "every", atMost: 100 } },
      ...others.map(({ name, given }) => ({ label, locker: name, unit: "ms", samples: given })),
      { label: "the holder's process is gone", locker: ours, unit: "ms", samples: exited },
    ],
    notes: [
      'ours: drainOn: ["SIGTERM"], a job of heartbeat.delay(20); the others know nothing of signals: a handler of the',
      "service stops their jobs, and without one SIGTERM is to them what SIGKILL is: takeover-after-kill",
      ...others.map(({ limits }) => limits),
    ],
  };
}

async function measureOurs(runs: number): Promise<{ started: number[]; exited: number[] }> {
  await using bed = await openBed();
  await using peer = await openProcess(bed.url);
  await bed.use();
  const started: number[] = [];
  const exited: number[] = [];
  for (let run = 0; run < runs; run++) {
    const key = `drain-${run}`;
    await using holder = await openProcess(bed.url, { drainOn: ["SIGTERM"] });
    await holder.hold(key);
    await peer.startWaiting(key);
    await waitForPhase(run, runs, pingIntervalMs);
    const toldMs = holder.signal("SIGTERM");
    const [{ atMs }, endedMs] = await Promise.all([peer.granted(key), holder.end()]);
    started.push(atMs - toldMs);
    exited.push(endedMs - toldMs);
  }
  return { started, exited };
}
