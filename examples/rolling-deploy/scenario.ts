// What is done to the fleet, in which order. Nothing here judges: a wait that comes to nothing just goes on.
import { setTimeout as delay } from "node:timers/promises";
import type { Fleet, FleetProcess } from "./fleet.js";
import { BLOCKED_LOOP_MS, SESSION_TTL_MS } from "./limits.js";
import type { Mark } from "./observer.js";
import { nowMs } from "./records.js";
import type { Timeline } from "./timeline.js";

export const PROCESSES = 4;
/** A new namespace's first use pays the store's recovery window, and the processes have to start. */
const FIRST_START_MS = 15_000;
/** Time for the eye, and for the jobs to spread, between two events. */
const PAUSE_MS = 600;

export type Stage = { fleet: Fleet; timeline: Timeline; signal: AbortSignal };

export async function runScenario(stage: Stage): Promise<void> {
  const { timeline } = stage;
  timeline.headline(`${PROCESSES} processes start and share ${stage.fleet.jobs.length} jobs`);
  for (let started = 0; started < PROCESSES; started++) startProcess(stage);
  if (!(await until(stage, () => everyJobRuns(stage), FIRST_START_MS))) {
    throw new Error(`not every job was running ${FIRST_START_MS} ms after the start`);
  }
  await until(stage, () => stage.fleet.processes.every((process) => process.ready), 5_000);
  await watch(stage, PAUSE_MS);

  for (const process of stage.fleet.processes) await replace(stage, process);
  await killOne(stage);
  await freezeOne(stage);
  await blockOne(stage);
}

/** Ends the fleet in good order; what does not leave within that time is killed and reported. */
export async function shutDown({ fleet, timeline }: Stage): Promise<void> {
  timeline.headline("The rest of the fleet drains");
  const alive = fleet.processes.filter((process) => process.ended === undefined);
  for (const process of alive) fleet.drain(process.name);
  const uninterrupted: Stage = { fleet, timeline, signal: new AbortController().signal };
  if (await until(uninterrupted, () => alive.every((process) => process.ended !== undefined), 8_000)) return;
  const left = alive.filter((process) => process.ended === undefined).map((process) => process.name);
  fleet.surprises.push(`${left.join(", ")} did not exit by themselves after SIGTERM`);
  fleet.killAll();
}

function startProcess({ fleet, timeline }: Stage): FleetProcess {
  const process = fleet.start();
  timeline.say(`${process.name} is process ${process.pid}`);
  return process;
}

async function replace(stage: Stage, old: FleetProcess): Promise<void> {
  const { fleet, timeline } = stage;
  timeline.headline(`Deploy: ${old.name} is replaced: a new process starts, then ${old.name} gets SIGTERM`);
  const fresh = startProcess(stage);
  await until(stage, () => fresh.ready, 5_000);
  const mark = addMark(stage, "drain", old);
  fleet.drain(old.name);
  if (!(await until(stage, () => old.ended !== undefined, 8_000))) {
    fleet.surprises.push(`${old.name} did not exit by itself after SIGTERM`);
    fleet.kill(old.name);
  }
  mark.endAtMs = nowMs();
  await until(stage, () => everyJobRuns(stage), 5_000);
  await watch(stage, PAUSE_MS);
}

async function killOne(stage: Stage): Promise<void> {
  const victim = busiest(stage);
  stage.timeline.headline(`Crash: ${victim.name} gets SIGKILL`);
  addMark(stage, "kill", victim);
  stage.fleet.kill(victim.name);
  await until(stage, () => everyJobRuns(stage), 5_000);
  const fresh = startProcess(stage);
  await until(stage, () => fresh.ready, 5_000);
  await watch(stage, PAUSE_MS);
}

async function freezeOne(stage: Stage): Promise<void> {
  const { fleet, timeline } = stage;
  const victim = busiest(stage);
  timeline.headline(`Freeze: ${victim.name} gets SIGSTOP, for longer than its session's ${SESSION_TTL_MS} ms`);
  const mark = addMark(stage, "freeze", victim);
  fleet.freeze(victim.name);
  mark.endAtMs = Infinity;
  await watch(stage, SESSION_TTL_MS);
  await until(stage, () => everyJobRuns(stage), 3_000);
  await watch(stage, PAUSE_MS);
  timeline.headline(`Thaw: ${victim.name} gets SIGCONT and still believes that it runs its jobs`);
  mark.endAtMs = nowMs();
  fleet.thaw(victim.name);
  const hasStopped = (): boolean => {
    return timeline.book.all.every((run) => {
      return run.process !== victim.name || run.startAtMs > mark.atMs || run.stop !== undefined;
    });
  };
  await until(stage, hasStopped, 3_000);
  await watch(stage, PAUSE_MS);
}

async function blockOne(stage: Stage): Promise<void> {
  const { fleet, timeline } = stage;
  const victim = busiest(stage);
  timeline.headline(`Blocked: the event loop of ${victim.name} stands still for ${BLOCKED_LOOP_MS} ms`);
  const mark = addMark(stage, "block", victim);
  fleet.block(victim.name, BLOCKED_LOOP_MS);
  await until(stage, () => victim.state !== "blocked", BLOCKED_LOOP_MS + 5_000);
  mark.endAtMs = nowMs();
  timeline.say(`${victim.name} has its event loop back`);
  const goesOn = (): boolean => {
    return timeline.book.ofProcessAt(victim.name, mark.atMs).every((run) => {
      return (run.steps.at(-1)?.askedAtMs ?? 0) > mark.endAtMs;
    });
  };
  await until(stage, goesOn, 3_000);
  await watch(stage, PAUSE_MS);
}

function addMark({ timeline }: Stage, kind: Mark["kind"], process: FleetProcess): Mark {
  // Read what is already written, so that the timeline attributes it to the time before.
  timeline.update();
  const atMs = nowMs();
  const mark: Mark = { kind, process: process.name, atMs, endAtMs: atMs };
  timeline.marks.push(mark);
  return mark;
}

/** The process that runs most jobs: what happens to it shows most. */
function busiest({ fleet, timeline }: Stage): FleetProcess {
  const jobsOf = (process: FleetProcess): number => timeline.book.ofProcessAt(process.name, nowMs()).length;
  const up = fleet.processes.filter((process) => process.state === "up");
  const [first] = up.toSorted((left, right) => jobsOf(right) - jobsOf(left));
  if (first === undefined) throw new Error("no process is left");
  return first;
}

function everyJobRuns({ fleet, timeline }: Stage): boolean {
  return fleet.jobs.every((job) => {
    const run = timeline.book.latestRunning(job);
    return run !== undefined && fleet.find(run.process)?.state === "up";
  });
}

/** Lets time pass while the timeline goes on. */
async function watch(stage: Stage, forMs: number): Promise<void> {
  await until(stage, () => false, forMs);
}

async function until({ timeline, signal }: Stage, condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadlineMs = nowMs() + withinMs;
  for (;;) {
    timeline.update();
    if (condition()) return true;
    if (nowMs() > deadlineMs) return false;
    await delay(20, undefined, { signal });
  }
}
