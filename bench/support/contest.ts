// Processes of waiters for one key, and what became of them: the same for every locker.

import { setTimeout as delay } from "node:timers/promises";
import { spawnChild, type Child } from "../../test/support/child.js";
import { countCommands } from "../../test/support/monitor.js";
import { startRedis } from "../../test/support/redis-server.js";
import { summarise, type Bound, type Chart, type Summary } from "./question.js";

/** Crosses to the process as JSON. */
export type WaitersSetup = {
  readonly waiters: number;
  readonly holdMs: number;
  readonly thinkMsMax: number;
  /** Of how long it thinks. */
  readonly seed: number;
  /** For so long it neither holds nor thinks: at a few turns a second its code would be measured uncompiled. */
  readonly hurryMs: number;
  /** Whether each section is kept; of hundreds of thousands a second only the number is. */
  readonly keepsEach: boolean;
};

/** From the request to the end of the job, monotonic ms of the host. */
export type Section = { readonly askedMs: number; readonly grantedMs: number; readonly endedMs: number };
export type WaitersReport = { readonly atMs: number; readonly counted: number; readonly overlaps: number };

export type Contest = {
  readonly name: string;
  /** A process each. */
  readonly processes: readonly Omit<WaitersSetup, "seed" | "hurryMs">[];
  /** What is told of one run. */
  readonly figures: readonly Figure[];
  readonly charts?: readonly Chart[];
};

export type Figure = {
  readonly label: string;
  readonly unit: string;
  /** `NaN` for what could not be seen. */
  of(run: Run): number;
  /** Of ours alone. */
  readonly bound?: Bound;
  /** Its bound needs a machine that does nothing else, so that a smoke does not judge it. */
  readonly quiet?: true;
  /** Ours must be at least each of the others' in every round. */
  readonly beatsOthers?: true;
};

export type Run = {
  /** Those granted while it was measured, by process. */
  readonly sections: readonly (readonly Section[])[];
  /** Hand-offs a second, by process. */
  readonly rates: readonly number[];
  readonly overlapsInside: number;
  readonly commands: number;
};

/**
 * How long waiters hurry, may then find their pace, and are watched: for their times, and again for their commands, ms.
 */
export type Span = {
  readonly hurryMs: number;
  readonly warmUpMs: number;
  readonly runMs: number;
  readonly monitorMs: number;
};

const waiterProcess = new URL("./waiter-process.js", import.meta.url);
const ttlMs = 10_000;
/** A waiter's pause between two looks where that can be chosen: redis-semaphore's default, a twentieth of redlock's. */
const retryMs = 10;

/** One locker, once, on a Redis of its own. */
export async function runOnce(contest: Contest, module: string, span: Span, seed: number): Promise<Run> {
  await using server = await startRedis();
  const children: Child[] = [];
  try {
    for (const _setup of contest.processes) children.push(await spawnChild(waiterProcess));
    await Promise.all(children.map((child) => child.request("open", module, server.url, ttlMs, retryMs)));
    const starts = contest.processes.map((setup, at) => ({ ...setup, seed: seed + at, hurryMs: span.hurryMs }));
    await Promise.all(children.map((child, at) => child.request("start", contest.name, starts[at])));
    await delay(span.hurryMs + span.warmUpMs);
    return await watch(children, server.url, span);
  } finally {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  }
}

async function watch(children: readonly Child[], url: string, { runMs, monitorMs }: Span): Promise<Run> {
  const report = (): Promise<WaitersReport[]> =>
    Promise.all(children.map((child) => child.request<WaitersReport>("report")));
  const from = await report();
  await delay(runMs);
  const to = await report();
  const all = await Promise.all(children.map((child) => child.request<Section[]>("sections")));
  const isWatched = ({ grantedMs }: Section, at: number): boolean =>
    grantedMs >= from[at]!.atMs && grantedMs <= to[at]!.atMs;
  // MONITOR slows the server down: never while times are taken.
  let monitored = 0;
  const { total } = await countCommands(url, async () => {
    const before = await report();
    await delay(monitorMs);
    monitored = sum((await report()).map(({ counted }, at) => counted - before[at]!.counted));
  });
  return {
    sections: all.map((sections, at) => sections.filter((section) => isWatched(section, at))),
    rates: to.map(({ counted, atMs }, at) => ((counted - from[at]!.counted) * 1_000) / (atMs - from[at]!.atMs)),
    overlapsInside: sum(to.map(({ overlaps }) => overlaps)),
    commands: total / monitored,
  };
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Of all processes, in the order of their grants. */
export function inOrder(run: Run): Section[] {
  return run.sections.flat().toSorted((left, right) => left.grantedMs - right.grantedMs);
}

/** How often one was granted the key before the one before it had ended. */
export function countOverlaps(run: Run): number {
  const sections = inOrder(run);
  const early = sections.filter(({ grantedMs }, at) => at > 0 && grantedMs < sections[at - 1]!.endedMs);
  return Math.max(early.length, run.overlapsInside);
}

/** p99 also of fewer samples than a hundred: then it is the largest. */
export function spread(samples: readonly number[]): Required<Summary> {
  const summary = summarise(samples);
  return { ...summary, p99: summary.p99 ?? summary.max };
}
