// A holder is killed, and another process waits for its key: from just before the kill to the start of the other's job.

import { setTimeout as delay } from "node:timers/promises";
import { openBed, waitForPhase, type Bed } from "./support/bed.js";
import { grantedAfter } from "./support/holders.js";
import { askPeers } from "./support/peers.js";
import { openProcess, type LockerProcess } from "./support/processes.js";
import type { Answer, Question, Setting } from "./support/question.js";

const ours = "pulselock";
const pingIntervalMs = 500;
/** So long do the processes of all that waits beside it take to start. */
const settleMs = 20_000;

export const takeoverAfterKill: Question = {
  name: "takeover-after-kill",
  asks: "SIGKILL of a holder → the job of a waiting peer starts",
  runs: 20,
  waits: true,
  ask: measure,
};

async function measure({ runs, peers }: Setting): Promise<Answer> {
  // The others wait for a minute, and hardly work: ours is measured meanwhile.
  const [others, { sameHost, otherHost }] = await Promise.all([
    askPeers(peers, (holders) => grantedAfter("SIGKILL", holders)),
    measureOurs(runs),
  ]);
  const [same, other] = ["same host", "another host"];
  return {
    series: [
      { label: same, locker: ours, unit: "ms", samples: sameHost, bound: { of: "every", atMost: 300 } },
      ...others.map(({ name, given }) => ({ label: same, locker: name, unit: "ms", samples: given })),
      { label: other, locker: ours, unit: "ms", samples: otherHost, bound: { of: "every", atMost: 2_000 } },
    ],
    notes: [
      "ours: on the same host the pid proves it, from another its silence; to the others all hosts are alike",
      "the kill comes at evenly spread moments of the ping interval, of the others' renewals",
      ...others.map(({ limits }) => limits),
    ],
    charts: [{ title: "SIGKILL of a holder → a waiter's job starts", series: same, better: "less", scale: "log" }],
  };
}

async function measureOurs(runs: number): Promise<{ sameHost: number[]; otherHost: number[] }> {
  await delay(settleMs);
  await using bed = await openBed();
  await using peer = await openProcess(bed.url);
  await bed.use();
  const sameHost: number[] = [];
  const otherHost: number[] = [];
  for (let run = 0; run < runs; run++) {
    sameHost.push(await killOnce(bed, peer, `same-host-${run}`, { run, runs, proof: "proof" }));
    otherHost.push(await killOnce(bed, peer, `other-host-${run}`, { run, runs, proof: "disconnected" }));
  }
  return { sameHost, otherHost };
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
