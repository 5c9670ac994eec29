// What the pings of a thousand processes cost Redis. The sessions are simulated: a connection each, through the code
// that the worker uses, with the real script at the real interval; but all in this process, and without their lockers.

import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../src/clock.js";
import { readHostFacts } from "../src/host-facts.js";
import { RedisDatabase } from "../src/index.js";
import { nowMs, openBed, redisCpuMs, type Bed } from "./support/bed.js";
import type { Answer, Question, Setting } from "./support/question.js";

const sessions = 1_000;
const intervalMs = 500;
/** Pings a second; a busy machine sends fewer, and what is measured is told as if it had sent all. */
const due = (sessions * 1_000) / intervalMs;
const sliceMs = 3_000;
const limits = { recoveryMs: 2_500, sessionTtlMs: 10_000, disconnectGraceMs: 1_500, pingIntervalMs: intervalMs };

export const idlePings: Question = {
  name: "idle-pings",
  asks: `the pings of ${sessions} processes, one in ${intervalMs} ms each`,
  runs: 5,
  ask: measure,
};

type Slice = { share: number; script: number; pings: number };

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await bed.use();
  using fleet = await openFleet(bed.url);
  const slices: Slice[] = [];
  await watch(bed, fleet);
  for (let run = 0; run < runs; run++) slices.push(await watch(bed, fleet));
  if (fleet.failures.length > 0) throw new Error(`${fleet.failures.length} pings failed: ${fleet.failures[0]}`);
  return {
    series: [
      {
        ...{
          label: "Redis, at the rate that is due",
          unit: "% of a core",
          samples: slices.map(({ share, pings }) => (share * due) / pings),
        },
        bound: { of: "p50", atMost: 5 },
      },
      { label: "pings", unit: "pings/s", samples: slices.map(({ pings }) => pings) },
      { label: "a ping, all in all", unit: "µs", samples: slices.map(({ share, pings }) => (share * 1e4) / pings) },
      { label: "… of that in the script", unit: "µs", samples: slices.map(({ script }) => script) },
    ],
    notes: [`a sample is ${sliceMs / 1_000} s; the share of Redis is its own count, used_cpu_user and used_cpu_sys`],
  };
}

async function watch(bed: Bed, fleet: Fleet): Promise<Slice> {
  const read = async () => ({
    ...{ atMs: nowMs(), cpuMs: await redisCpuMs(bed), sent: fleet.sent },
    ...(await readScripts(bed)),
  });
  const from = await read();
  await delay(sliceMs);
  const to = await read();
  const ms = to.atMs - from.atMs;
  return {
    share: ((to.cpuMs - from.cpuMs) / ms) * 100,
    pings: ((to.sent - from.sent) / ms) * 1_000,
    script: (to.us - from.us) / (to.calls - from.calls),
  };
}

async function readScripts({ client }: Bed): Promise<{ calls: number; us: number }> {
  const [, calls, us] = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await client.info("commandstats")) ?? [];
  return { calls: Number(calls), us: Number(us) };
}

type Fleet = { readonly sent: number; readonly failures: readonly string[]; [Symbol.dispose](): void };

/** Evenly spread over the interval, as processes are that were not started by one bell. */
async function openFleet(url: string): Promise<Fleet> {
  const database = new RedisDatabase(url, { commandTimeoutMs: 20_000 }); // a thousand at once, on a busy machine
  const { host, pid, proofs } = readHostFacts();
  const failures: string[] = [];
  let sent = 0;
  let isOver = false;
  const timers: NodeJS.Timeout[] = [];
  const openOne = async (at: number): Promise<() => void> => {
    const events = { onPush: () => {}, onClose: (cause: Error) => isOver || failures.push(cause.message) };
    const connection = database.openLiveness({ clock: systemClock }, events);
    await connection.ready;
    const sessionId = `${"x".repeat(21)}.${at}`;
    await connection.listen(sessionId);
    const fields = { sessionId, host, pid, proofs, labels: {}, driftMs: 100, mode: "new" as const, era: "" };
    const { era } = await connection.begin({ ...limits, ...fields });
    const ping = (): void => {
      sent += 1;
      connection.ping({ sessionId, era, recoveryMs: limits.recoveryMs, clockStepped: false }).then(
        ({ status }) => status === "alive" || failures.push(status),
        (error: Error) => isOver || failures.push(error.message),
      );
    };
    timers.push(setTimeout(() => timers.push(setInterval(ping, intervalMs)), (at / sessions) * intervalMs));
    return () => connection.close();
  };
  const closers: (() => void)[] = [];
  for (let at = 0; at < sessions; at += 100) {
    closers.push(...(await Promise.all(Array.from({ length: 100 }, (_, one) => openOne(at + one)))));
  }
  return {
    get sent() {
      return sent;
    },
    failures,
    [Symbol.dispose]: () => {
      isOver = true;
      for (const timer of timers) clearTimeout(timer);
      for (const close of closers) close();
    },
  };
}
