// What a process that holds much and asks for nothing costs the store: every command that it sends.

import { setTimeout as delay } from "node:timers/promises";
import { parseMonitorLine } from "../test/support/monitor.js";
import { openRaw } from "../test/support/raw-redis.js";
import { waitUntil } from "../test/support/wait.js";
import type { Answer, Bound, Question, Setting } from "./support/question.js";
import { openBed } from "./support/bed.js";
import { openProcess } from "./support/processes.js";

const leases = 1_000;
const sliceMs = 5_000;
/** More than two renewals of every lease at the default lock TTL: one each 60 s. */
const windowMs = 130_000;
const runsForWindow = 20;
const bound: Bound = { of: "every", atMost: 10 };

export const idleCommands: Question = {
  name: "idle-commands",
  asks: `commands sent a second by a process with ${leases} held leases, a heartbeat a second each, default limits`,
  runs: 20,
  waits: true,
  ask: measure,
};

async function measure({ runs, tell }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using holder = await openProcess(bed.url);
  await bed.use();
  await holder.holdIdle(leases);
  const isWhole = runs >= runsForWindow;
  const slices = Math.max(runs, isWhole ? Math.ceil(windowMs / sliceMs) : 0);
  tell(`watching for ${(slices * sliceMs) / 1_000} s`);
  const commands = await watch(bed.url, slices * sliceMs);
  const perSlice = Array.from({ length: slices }, (_, slice) => {
    const own = commands.filter(({ atMs }) => Math.floor(atMs / sliceMs) === slice);
    return own.length / (sliceMs / 1_000);
  });
  const mean = perSlice.reduce((sum, count) => sum + count, 0) / slices;
  const names = [...new Set(commands.map(({ name }) => name))].toSorted().join(", ");
  const note = isWhole ? `${slices} slices of one window of ${slices * 5} s` : "too short a window to see a renewal";
  return {
    series: [
      { label: "mean over the whole window", unit: "commands/s", samples: [mean], bound },
      { label: `in slices of ${sliceMs / 1_000} s`, unit: "commands/s", samples: perSlice, bound },
    ],
    notes: [note, `commands seen: ${names}; those that scripts call are not sent and not counted`],
  };
}

type Sent = { name: string; atMs: number };

/** What clients sent during `ms`, with the store's own time since the start of the window. */
async function watch(url: string, ms: number): Promise<Sent[]> {
  const monitor = await openRaw(url);
  try {
    const lines: string[] = [];
    monitor.onLine((line) => void lines.push(line));
    monitor.send("MONITOR");
    await waitUntil(() => lines.length > 0, true, { deadlineMs: 5_000, what: "MONITOR's first line" });
    const startMs = timeOf(lines.splice(0).at(-1)) ?? Date.now();
    await delay(ms + 1_000); // the store's clock and ours need not agree to the millisecond
    return lines
      .map((line) => ({ command: parseMonitorLine(line), atMs: (timeOf(line) ?? NaN) - startMs }))
      .filter(({ command, atMs }) => command && command.source !== "lua" && atMs >= 0 && atMs < ms)
      .map(({ command, atMs }) => ({ name: command?.name ?? "", atMs }));
  } finally {
    monitor.close();
  }
}

function timeOf(line: string | undefined): number | undefined {
  const seconds = /^\+(\d+\.\d+) /.exec(line ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
