// A rolling deploy in small: SIGTERM reaches a holder that drains, and a peer waits for its key.

import type { Answer, Question, Setting } from "./support/question.js";
import { openBed, waitForPhase } from "./support/bed.js";
import { openProcess } from "./support/processes.js";

const pingIntervalMs = 500;

export const drain: Question = {
  name: "drain",
  asks: 'SIGTERM of a holder (drainOn: ["SIGTERM"], a job of heartbeat.delay(20)) → the job of a waiting peer starts',
  runs: 20,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
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
  return {
    series: [
      { label: "the peer's job starts", unit: "ms", samples: started, bound: { of: "every", atMost: 100 } },
      { label: "the holder's process is gone", unit: "ms", samples: exited },
    ],
  };
}
