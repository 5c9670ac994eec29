// A holder is killed, and a peer waits for its key: from just before the kill to the start of the peer's job.

import type { Answer, Question, Setting } from "./support/question.js";
import { openBed, waitForPhase, type Bed } from "./support/bed.js";
import { openProcess, type LockerProcess } from "./support/processes.js";

const pingIntervalMs = 500;

export const takeoverAfterKill: Question = {
  name: "takeover-after-kill",
  asks: "SIGKILL of a holder → the job of a waiting peer starts",
  runs: 20,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using peer = await openProcess(bed.url);
  await bed.use();
  const sameHost: number[] = [];
  const otherHost: number[] = [];
  for (let run = 0; run < runs; run++) {
    sameHost.push(await killOnce(bed, peer, `same-host-${run}`, { run, runs, proof: "proof" }));
    otherHost.push(await killOnce(bed, peer, `other-host-${run}`, { run, runs, proof: "disconnected" }));
  }
  return {
    series: [
      { label: "same host, the pid proves it", unit: "ms", samples: sameHost, bound: { of: "every", atMost: 300 } },
      {
        label: "another host, its silence proves it",
        unit: "ms",
        samples: otherHost,
        bound: { of: "every", atMost: 2_000 },
      },
    ],
    notes: ["the kill comes at evenly spread moments of the ping interval"],
  };
}

type Run = { run: number; runs: number; proof: "proof" | "disconnected" };

async function killOnce(bed: Bed, peer: LockerProcess, key: string, { run, runs, proof }: Run): Promise<number> {
  await using holder = await openProcess(bed.url);
  await holder.hold(key);
  if (proof === "disconnected") await bed.moveToAnotherHost(await bed.holderSession(key));
  await peer.startWaiting(key);
  await waitForPhase(run, runs, pingIntervalMs);
  const killedMs = holder.signal("SIGKILL");
  const { atMs, takenFor } = await peer.granted(key);
  if (takenFor !== proof) throw new Error(`${key}: condemned for "${takenFor}", not "${proof}"`);
  return atMs - killedMs;
}
