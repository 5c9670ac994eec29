// The processes of one host on a SQLite file: a cycle, and the takeover of a killed holder's key.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Locker } from "../src/index.js";
import { nowMs, waitForPhase } from "./support/bed.js";
import { openProcess, type LockerProcess } from "./support/processes.js";
import { median, rounds, type Answer, type Question, type Setting } from "./support/question.js";

const cyclesAtATime = 2_000;
const pingIntervalMs = 500;

export const oneHost: Question = {
  name: "one-host",
  asks: "SQLite: uncontended acquire and release; SIGKILL of a holder → the job of a waiting peer starts",
  runs: 20,
  ask: measure,
};

async function measure(setting: Setting): Promise<Answer> {
  const folder = mkdtempSync(join(tmpdir(), "pulselock-bench-"));
  const database = `sqlite:${join(folder, "locks.db")}`;
  const cycles: number[] = [];
  const takeovers: number[] = [];
  {
    await using locker = new Locker({ database });
    await locker.acquireAndRun("first use", () => {});
    for (let warmUp = 0; warmUp < 2; warmUp++) await medianUs(locker);
    for (const _run of rounds(setting)) cycles.push(await medianUs(locker));
    await using peer = await openProcess(database);
    for (const run of rounds(setting)) takeovers.push(await killOnce(database, peer, run, setting.runs));
  }
  rmSync(folder, { recursive: true });
  return {
    series: [
      { label: "a cycle, nobody else wants the key", unit: "µs", samples: cycles, bound: { of: "every", atMost: 60 } },
      { label: "SIGKILL → a waiting peer's job", unit: "ms", samples: takeovers, bound: { of: "every", atMost: 300 } },
    ],
    notes: [`a sample of the first: the p50 of ${cyclesAtATime} cycles`],
  };
}

async function medianUs(locker: Locker): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < cyclesAtATime; i++) {
    const startMs = nowMs();
    await locker.acquireAndRun(`key-${i % 10}`, () => {});
    samples.push((nowMs() - startMs) * 1_000);
  }
  return median(samples);
}

async function killOnce(database: string, peer: LockerProcess, run: number, runs: number): Promise<number> {
  await using holder = await openProcess(database);
  const key = `killed-${run}`;
  await holder.hold(key);
  await peer.startWaiting(key);
  await waitForPhase(run, runs, pingIntervalMs);
  const killedMs = holder.signal("SIGKILL");
  const { atMs } = await peer.granted(key);
  return atMs - killedMs;
}
