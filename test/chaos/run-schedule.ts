// One schedule from its first process to its verdict.

import type { FinalValue } from "../history/checker.js";
import type { HistoryEvent, Violation } from "../history/history.js";
import { waitUntil, withDeadline } from "../support/wait.js";
import type { StoredHolder } from "./backend.js";
import { wrongCondemnations } from "./condemnations.js";
import { nowMs } from "./journal.js";
import { runFaults, type Missed } from "./nemesis.js";
import { Register } from "./register.js";
import type { Schedule } from "./schedule.js";
import { intervalsOf, shareRelaxed } from "./relaxations.js";
import { Starvation } from "./starvation.js";
import { judgeTakeover, tryTakeover, type Takeover } from "./takeover-trial.js";
import { healMsMax, judge, type Evidence, type Verdict } from "./verdict.js";
import { World, type WorldDeps } from "./world.js";

export type Outcome = Verdict & {
  readonly schedule: Schedule;
  readonly history: readonly HistoryEvent[];
  readonly faults: number;
  readonly missed: readonly Missed[];
  readonly grants: number;
  /** Checks that said yes. */
  readonly yes: number;
  readonly writes: number;
  readonly lostUnfenced: number;
  /** Undefined: a key that was free could not be had, which is a violation. */
  readonly takeover: Takeover | undefined;
  /** For how much of the time of faults and keys S1 was not demanded, 0 to 1. */
  readonly relaxedShare: number;
  readonly healMs: number;
  /** For how long the machine was too busy to judge silence. */
  readonly starvedMs: number;
  readonly condemned: number;
  readonly tookMs: number;
};

/** For the jobs, and then for the locker and its process, to end. */
const endMsMax = 10_000;
const giveBackMsMax = 2_000;

export async function runSchedule(schedule: Schedule, deps: WorldDeps): Promise<Outcome> {
  const openedMs = nowMs();
  const found: Violation[] = [];
  using starvation = new Starvation();
  const world = await World.open(schedule, deps);
  try {
    const startedMs = nowMs();
    const { faults, missed } = await runFaults(world, deps.notRun);
    const healedAtMs = nowMs();
    await recover(world, starvation, found);
    const restAtMs = nowMs();
    await settle(world, found);
    await rest(world, found);
    const ghosts = await readGhosts(world);
    const takeover = await endWithTakeover(world, starvation, found);
    await close(world, found);
    await checkLeftovers(world, found);
    const history = world.history();
    found.push(...judgeCondemnations(world, history, starvation));
    const { finalValues, ...totals } = await readRegister(world, deps.registerUrl, found);
    const [starved, { depositions }] = [starvation.spans, world];
    const evidence = { schedule, history, found, finalValues, healedAtMs, restAtMs, ghosts, depositions, starved };
    const verdict = judge(evidence);
    const relaxedShare = shareRelaxed(verdict.relaxed, world.keys, { fromMs: startedMs, toMs: healedAtMs });
    const times = { healMs: restAtMs - healedAtMs, tookMs: nowMs() - openedMs, starvedMs: starvation.sumSince(0) };
    const condemned = world.condemnations.length;
    const counts = { faults, missed, condemned, relaxedShare, ...countEvents(history), ...totals };
    return { schedule, history, takeover, ...verdict, ...counts, ...times };
  } finally {
    await world[Symbol.asyncDispose]();
  }
}

/** After the faults every key must come to somebody again, and every process must get something done. */
async function recover(world: World, starvation: Starvation, found: Violation[]): Promise<void> {
  const healedMs = nowMs();
  const calm = Promise.all(world.seats.map(({ place }) => place.calm().catch(() => undefined)));
  await withDeadline(calm, endMsMax, "every process is told that the faults are over");
  const missing = (): string[] => {
    const since = world.history().filter(({ atMs }) => atMs > healedMs);
    const granted = new Set(since.flatMap((event) => (event.kind === "acquired" ? [event.key] : [])));
    const served = new Set(
      since.flatMap((event) => (event.kind === "acquired" || event.kind === "busy" ? [event.process] : [])),
    );
    const keys = world.keys.filter((key) => !granted.has(key)).map((key) => `nobody was granted ${key}`);
    const idle = world.seats.filter(({ place }) => !served.has(place.process));
    return [...keys, ...idle.map(({ place }) => `${place.process} had no answer`)];
  };
  // Time that the machine did not give us is not counted.
  for (let leftMs = healMsMax(world.schedule), excusedMs = 0; leftMs > 0;) {
    try {
      await waitUntil(missing, (list) => list.length === 0, { deadlineMs: leftMs, what: "recovery" });
      return;
    } catch {
      leftMs = starvation.sumSince(healedMs) - excusedMs;
      excusedMs += leftMs;
    }
  }
  const what = `${Math.round(nowMs() - healedMs)} ms after the last fault: ${missing().join(", ")}`;
  found.push({ rule: "L5", atMs: nowMs(), what });
}

async function settle({ store }: World, found: Violation[]): Promise<void> {
  try {
    await store.settled?.();
  } catch (error) {
    found.push({ rule: "L5", atMs: nowMs(), what: error instanceof Error ? error.message : String(error) });
  }
}

/** After that no job runs, and nobody has or wants a key. */
async function rest(world: World, found: Violation[]): Promise<void> {
  const ends = world.seats.map(async ({ place }) => {
    try {
      await place.rest(endMsMax);
    } catch (error) {
      found.push({ rule: "leak", atMs: nowMs(), what: error instanceof Error ? error.message : String(error) });
    }
  });
  await Promise.all(ends);
}

/** Leases of living sessions in the store, though no job has any: what is being given back needs a moment. */
async function readGhosts(world: World): Promise<Evidence["ghosts"]> {
  const holders = async (): Promise<readonly StoredHolder[]> => {
    const living = new Set(world.seats.map(({ place }) => place.pid));
    return (await world.store.holders()).filter(({ pid }) => living.has(pid));
  };
  const options = { deadlineMs: giveBackMsMax, what: "leases that are given back" };
  await waitUntil(holders, (left) => left.length === 0, options).catch(() => undefined);
  return { holders: await holders(), atMs: nowMs() };
}

async function endWithTakeover(
  world: World,
  starvation: Starvation,
  found: Violation[],
): Promise<Takeover | undefined> {
  try {
    const takeover = await tryTakeover(world, starvation);
    found.push(...judgeTakeover(takeover));
    return takeover;
  } catch (error) {
    const what = `no trial of a takeover: ${error instanceof Error ? error.message : String(error)}`;
    found.push({ rule: "takeover", atMs: nowMs(), what });
    return undefined;
  }
}

async function close(world: World, found: Violation[]): Promise<void> {
  const ends = world.seats.map(async ({ place }) => {
    const died = (): void => place.deaths.forEach((what) => found.push({ rule: "S6", atMs: nowMs(), what }));
    try {
      died();
      await place.close(endMsMax);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      found.push({ rule: "leak", atMs: nowMs(), what });
    }
  });
  await Promise.all(ends);
}

async function checkLeftovers(world: World, found: Violation[]): Promise<void> {
  try {
    const options = { deadlineMs: 2_000, what: "what is left in the store" };
    await waitUntil(
      () => world.store.leftovers(),
      (left) => left.length === 0,
      options,
    );
  } catch {
    const left = await world.store.leftovers();
    if (left.length > 0) found.push({ rule: "S5", atMs: nowMs(), what: `left in the store: ${left.join(", ")}` });
  }
}

/** The fenced register may never lose an update, whatever happened. The other one loses what it loses. */
async function readRegister(world: World, registerUrl: string, found: Violation[]) {
  await using register = new Register(registerUrl, world.registerPrefix);
  const finalValues: FinalValue[] = [];
  let [writes, lostUnfenced] = [0, 0];
  for (const key of world.keys) {
    const fenced = await register.totals(key, true);
    const plain = await register.totals(key, false);
    finalValues.push({ key, fenced: true, value: fenced.value }, { key, fenced: false, value: plain.value });
    writes += fenced.writes + plain.writes;
    lostUnfenced += plain.lost;
    if (fenced.lost === 0) continue;
    found.push({ rule: "fence", atMs: nowMs(), key, what: `the fenced register lost ${fenced.lost} updates` });
  }
  return { finalValues, writes, lostUnfenced };
}

function judgeCondemnations(world: World, history: readonly HistoryEvent[], { spans }: Starvation): Violation[] {
  const { condemnations } = world;
  const victimOf = (pid: number): ReturnType<World["victimOf"]> => world.victimOf(pid);
  return wrongCondemnations({ condemnations, victimOf, faults: intervalsOf(history), starved: spans });
}

function countEvents(history: readonly HistoryEvent[]): { grants: number; yes: number } {
  const grants = history.filter(({ kind }) => kind === "acquired").length;
  return { grants, yes: history.filter((event) => event.kind === "check" && event.answer === "yes").length };
}
