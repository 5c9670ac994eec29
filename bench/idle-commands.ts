// What a process that holds much and asks for nothing costs: every command that it sends, and the time of both ends.

import { setTimeout as delay } from "node:timers/promises";
import { parseMonitorLine } from "../test/support/monitor.js";
import { openRaw } from "../test/support/raw-redis.js";
import { waitUntil } from "../test/support/wait.js";
import { nowMs, openBed, redisCpuMs, type Bed } from "./support/bed.js";
import { openProcess, type LockerProcess } from "./support/processes.js";
import type { Answer, Bound, Question, Series, Setting } from "./support/question.js";

const sizes = [10, 1_000, 10_000] as const;
/** Each lease is renewed once in it, at the default lock TTL: a fifth of that. */
const windowMs = 60_000;
const sliceMs = 5_000;

export const idleCommands: Question = {
  name: "idle-commands",
  asks: `a process with ${sizes.join(", ")} held leases, a heartbeat a second each, default limits`,
  runs: 1,
  waits: true,
  ask: measure,
};

type Window = { sent: Sent[]; redis: number; process: number };

async function measure({ runs, tell }: Setting): Promise<Answer> {
  const windows = new Map(sizes.map((size): [number, Window[]] => [size, []]));
  for (let run = 0; run < runs; run++) {
    tell(`watching for ${windowMs / 1_000} s`);
    // MONITOR would be most of what the server does: who is counted and who is timed are two processes on two servers.
    const seen = await Promise.all(sizes.map((size) => Promise.all([count(size), time(size)])));
    seen.forEach(([sent, cpu], at) => windows.get(sizes[at]!)!.push({ sent, ...cpu }));
  }
  const rate = ({ sent }: Window): number => sent.length / (windowMs / 1_000);
  const row = (label: string, unit: string, of: (window: Window) => number, atMost?: number): Series[] =>
    sizes.map((size) => {
      const bound: Bound | undefined = atMost === undefined ? undefined : { of: "every", atMost };
      return { label: `${size} leases: ${label}`, unit, samples: windows.get(size)!.map(of), ...(bound && { bound }) };
    });
  const [few, , most] = sizes;
  const names = new Set([...windows.values()].flat().flatMap(({ sent }) => sent.map(({ name }) => name)));
  return {
    series: [
      ...row("sent", "commands/s", rate, 10),
      {
        label: `${most} leases send more than ${few} do`,
        unit: "commands/s",
        samples: windows.get(most)!.map((window, run) => rate(window) - rate(windows.get(few)![run]!)),
        bound: { of: "every", atMost: 3 },
      },
      ...row(`sent, in the fullest ${sliceMs / 1_000} s`, "commands/s", fullest),
      ...row("Redis", "% of a core", ({ redis }) => redis, 1),
      ...row("the process, both threads", "% of a core", (window) => window.process, 3),
    ],
    notes: [
      `a sample is a window of ${windowMs / 1_000} s, in which each lease is renewed once, 64 of them by one command`,
      `commands seen: ${[...names].toSorted().join(", ")}; those that scripts call are not sent and not counted`,
    ],
  };
}

async function open(bed: Bed, leases: number): Promise<LockerProcess> {
  await bed.use();
  const holder = await openProcess(bed.url, { acquireTimeoutMs: 60_000 }); // on a busy machine, too
  await holder.holdIdle(leases);
  return holder;
}

async function count(leases: number): Promise<Sent[]> {
  await using bed = await openBed();
  await using _holder = await open(bed, leases);
  return await watch(bed.url, windowMs); // not before it: what is opened here would be closed at once
}

async function time(leases: number): Promise<{ redis: number; process: number }> {
  await using bed = await openBed();
  await using holder = await open(bed, leases);
  const read = async () => ({ atMs: nowMs(), redis: await redisCpuMs(bed), process: await holder.cpuMs() });
  const from = await read();
  await delay(windowMs);
  const to = await read();
  const share = (what: "redis" | "process"): number => ((to[what] - from[what]) / (to.atMs - from.atMs)) * 100;
  return { redis: share("redis"), process: share("process") };
}

type Sent = { name: string; atMs: number };

function fullest({ sent }: Window): number {
  const slices = Array.from({ length: windowMs / sliceMs }, (_, slice) => {
    return sent.filter(({ atMs }) => Math.floor(atMs / sliceMs) === slice).length;
  });
  return Math.max(...slices) / (sliceMs / 1_000);
}

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
    if (lines.length === 0) throw new Error("MONITOR showed nothing, not even a ping");
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
