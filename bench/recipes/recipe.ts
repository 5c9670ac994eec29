// The recipe itself: five updaters, a pause every five seconds, and what became of their acknowledged updates.

import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { spawnChild, type Child } from "../../test/support/child.js";
import { startRedis } from "../../test/support/redis-server.js";
import { waitUntil, withDeadline } from "../../test/support/wait.js";
import { Register } from "./register.js";
import type { SubjectName } from "./subject.js";
import type { Updates, UpdaterSetup } from "./updater.js";

export const recipe = { ttlMs: 2_000, processes: 5, pauseEveryMs: 5_000, pauseMs: 3_000, writeDelayMsMax: 2_000 };

/** A waiter's pause between two looks, ms, where a locker lets it be chosen. Ours is told when its turn has come. */
const retryMs = 50;

/** Whom a pause hits. "window": the holder, after it has asked and before it writes. */
export const pauses = ["anyone", "holder", "window"] as const;
export type Pause = (typeof pauses)[number];

export type RunSetup = {
  readonly subject: SubjectName;
  /** Of the module that opens the subject. */
  readonly module: string;
  readonly runs: number;
  readonly runMs: number;
  readonly pause: Pause;
  readonly random: () => number;
};

/** Of one register, in one run. */
export type Tally = { readonly acked: number; readonly lost: number };

export type RunResult = {
  readonly plain: Tally;
  /** Undefined for a locker without tokens. */
  readonly fenced: Tally | undefined;
  readonly refused: number;
  readonly told: number;
  readonly pauses: number;
  readonly errors: Record<string, number>;
};

/** Runs one subject several times, each on a fresh key and register, and tells each run as it ends. */
export async function runSubject(setup: RunSetup, tell: (result: RunResult) => void): Promise<RunResult[]> {
  await using lockStore = await startRedis();
  await using registerStore = await startRedis();
  const { module, random, subject } = setup;
  const { ttlMs, processes, writeDelayMsMax } = recipe;
  const urls = { url: lockStore.url, registerUrl: registerStore.url };
  const updaters: Child[] = [];
  try {
    for (let number = 1; number <= processes; number++) {
      const updater = await spawnChild(new URL("./updater.js", import.meta.url));
      updaters.push(updater);
      const seed = Math.floor(random() * 2 ** 32);
      const { checks } = subject;
      await updater.request("open", {
        ...{ ...urls, module, checks, ttlMs, retryMs, writeDelayMsMax, number, seed },
      } satisfies UpdaterSetup);
    }
    const results: RunResult[] = [];
    for (let run = 1; run <= setup.runs; run++) {
      const result = await runOnce(setup, updaters, registerStore.url, `register-${run}`);
      results.push(result);
      tell(result);
    }
    await Promise.all(updaters.map((updater) => updater.request("close")));
    return results;
  } finally {
    await Promise.all(updaters.map((updater) => updater[Symbol.asyncDispose]()));
  }
}

/** What may not happen to a locker with tokens, however its holders are paused: empty when all went well. */
export function failuresOf(results: readonly Pick<RunResult, "fenced" | "refused" | "pauses">[]): string[] {
  return results.flatMap(({ fenced, refused, pauses }, at) => {
    const failures: string[] = [];
    if (!fenced) failures.push(`run ${at + 1}: nobody had a token`);
    else if (fenced.lost > 0) failures.push(`run ${at + 1}: ${fenced.lost} fenced updates were lost`);
    // A pause makes one late writer, which is refused rightly; whoever else is refused held the lock.
    if (refused > pauses) failures.push(`run ${at + 1}: ${refused} writes refused after ${pauses} pauses`);
    return failures;
  });
}

async function runOnce(setup: RunSetup, updaters: Child[], registerUrl: string, key: string): Promise<RunResult> {
  await using register = new Register(registerUrl, key);
  await Promise.all(updaters.map((updater) => updater.request("start", key)));
  const pauses = await pauseUntil(performance.now() + setup.runMs, setup, updaters, register);
  const stopping = updaters.map((updater) => updater.request<Updates>("stop"));
  const all = await withDeadline(Promise.all(stopping), 60_000, "the end of every updater's section");
  const final = await register.final();
  const hasToken = all.some((updates) => updates.hasToken);
  return {
    plain: tally(
      all.flatMap(({ plain }) => plain),
      final.plain,
    ),
    fenced: hasToken
      ? tally(
          all.flatMap(({ fenced }) => fenced),
          final.fenced,
        )
      : undefined,
    refused: all.reduce((sum, { refused }) => sum + refused, 0),
    told: all.reduce((sum, { told }) => sum + told, 0),
    pauses,
    errors: merge(all.map(({ errors }) => errors)),
  };
}

/** Stops one process at a time, for longer than the TTL. Returns how many times. */
async function pauseUntil(endMs: number, setup: RunSetup, updaters: Child[], register: Register): Promise<number> {
  let count = 0;
  for (let nextMs = performance.now() + recipe.pauseEveryMs; nextMs < endMs; nextMs += recipe.pauseEveryMs) {
    await delay(Math.max(0, nextMs - performance.now()));
    const victim = await stopOne(setup, updaters, register);
    await delay(recipe.pauseMs);
    await victim?.kill("SIGCONT");
    count += 1;
  }
  await delay(Math.max(0, endMs - performance.now()));
  return count;
}

async function stopOne({ pause, random }: RunSetup, updaters: Child[], register: Register): Promise<Child | undefined> {
  if (pause === "window") return stopInWindow(updaters);
  const anyone = Math.floor(random() * updaters.length);
  const holder = pause === "holder" ? await register.lastReader() : undefined;
  const victim = updaters[holder === undefined ? anyone : holder - 1];
  await victim?.kill("SIGSTOP");
  return victim;
}

/** Whoever gets there first stops itself. */
async function stopInWindow(updaters: Child[]): Promise<Child | undefined> {
  await Promise.all(updaters.map((updater) => updater.request("stopInWindow", true)));
  const stopped = async (): Promise<Child | undefined> => {
    const states = await Promise.all(updaters.map(({ pid }) => readFile(`/proc/${pid}/stat`, "utf8")));
    return updaters[states.findIndex((stat) => stat.slice(stat.lastIndexOf(")")).startsWith(") T"))];
  };
  const what = "an updater that stops itself";
  const victim = await waitUntil(stopped, (child) => child !== undefined, { deadlineMs: 30_000, what });
  const others = updaters.filter((updater) => updater !== victim);
  await Promise.all(others.map((updater) => updater.request("stopInWindow", false)));
  return victim;
}

function tally(acked: readonly number[], final: readonly number[]): Tally {
  const left = new Set(final);
  return { acked: acked.length, lost: acked.filter((element) => !left.has(element)).length };
}

function merge(all: readonly Record<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of all) for (const [what, count] of Object.entries(one)) sums[what] = (sums[what] ?? 0) + count;
  return sums;
}
