// The judge. Pure: from the jobs' own records, the resource's own log and what was done to the processes, it says
// whether a bound was missed and whether two runs of one job got into each other's way. It never asks the locker.
import type { LedgerEntry } from "./ledger.js";
import type { Limits } from "./limits.js";
import type { Run, RunBook } from "./runs.js";

/** What was done to a process, by the monotonic clock. `endAtMs`: it had exited, ran again, or had its loop back. */
export type Mark = { kind: "drain" | "kill" | "freeze" | "block"; process: string; atMs: number; endAtMs: number };

export type Check = { what: string; worstMs: number; boundMs: number };

export type EventVerdict = {
  mark: Mark;
  jobs: string[];
  /** Time in which nobody ran the job, one value a job. Infinity: nobody ever ran it again. */
  gapsMs: number[];
  checks: Check[];
  /** Sentences; empty when every bound was kept. */
  missed: string[];
};

export type Conflicts = {
  /** Writes that the resource accepted although a later holder had written, or that came with a token used twice. */
  fencedOverlaps: number;
  refusedWrites: number;
  acceptedWrites: number;
  /** Heartbeats that were asked after the next run had started, and still said yes (invariant S1). */
  falseYes: number;
  /** Steps recorded after the next run had started: allowed between a yes and the step, refused by the resource. */
  unfencedOverlaps: number;
  /** Runs that began after another had ended, with a token that is not larger (invariant S2). */
  tokensNotGrown: number;
};

export type Report = { events: EventVerdict[]; conflicts: Conflicts; neverRun: string[]; failures: string[] };

export type History = {
  jobs: readonly string[];
  book: RunBook;
  marks: readonly Mark[];
  ledger: readonly LedgerEntry[];
};

export function judge(history: History, limits: Limits): Report {
  const { jobs, book, marks, ledger } = history;
  const events = marks.map((mark) => judgeEvent(mark, book, limits));
  const conflicts = findConflicts(jobs, book, ledger);
  const neverRun = jobs.filter((job) => !book.ofJob(job).some((run) => run.steps.length > 0));
  const failures = [
    ...events.flatMap((event) => event.missed),
    ...conflictFailures(conflicts),
    ...neverRun.map((job) => `${job} was never run`),
    ...unexplained(book, marks),
  ];
  return { events, conflicts, neverRun, failures };
}

function judgeEvent(mark: Mark, book: RunBook, limits: Limits): EventVerdict {
  const runs = book.ofProcessAt(mark.process, mark.atMs);
  const verdict: EventVerdict = { mark, jobs: runs.map((run) => run.job), gapsMs: [], checks: [], missed: [] };
  if (mark.kind === "block") judgeBlock(verdict, runs, book);
  else judgeTakeover(verdict, runs, book, limits);
  for (const { what, worstMs, boundMs } of verdict.checks) {
    if (worstMs > boundMs) verdict.missed.push(`${mark.process}: ${what}: ${worstMs.toFixed(1)} > ${boundMs} ms`);
  }
  // A process without jobs may leave; a fault that hits no job shows nothing.
  if (runs.length === 0 && mark.kind !== "drain") verdict.missed.push(`${mark.process}: ${mark.kind} hit no job`);
  return verdict;
}

function judgeTakeover(verdict: EventVerdict, runs: Run[], book: RunBook, limits: Limits): void {
  const { mark } = verdict;
  const takenOverMs: number[] = [];
  const knewMs: number[] = [];
  for (const run of runs) {
    const next = book.nextAfter(run, mark.atMs);
    const nextAtMs = next?.startAtMs ?? Infinity;
    takenOverMs.push(nextAtMs - mark.atMs);
    // A drained job runs on until it has stopped; a killed or frozen one does nothing from the signal on.
    const lastRunningAtMs = mark.kind === "drain" ? (run.stop?.atMs ?? mark.atMs) : mark.atMs;
    verdict.gapsMs.push(nextAtMs - lastRunningAtMs);
    if (next === undefined) verdict.missed.push(`${run.job}: nobody took over from ${mark.process}`);
    if (mark.kind !== "freeze") continue;
    if (run.steps.some((step) => step.askedAtMs > mark.atMs && step.askedAtMs < mark.endAtMs)) {
      verdict.missed.push(`${run.job}: ${mark.process} worked while it should have been frozen`);
    }
    knewMs.push((run.stop?.reason === "lost" ? run.stop.atMs : Infinity) - mark.endAtMs);
  }
  if (runs.length === 0) return;
  const boundMs = { drain: limits.drainMs, kill: limits.killMs, freeze: limits.freezeMs, block: 0 }[mark.kind];
  verdict.checks.push({ what: `${SIGNALS[mark.kind]} → peer runs`, worstMs: Math.max(...takenOverMs), boundMs });
  if (mark.kind !== "freeze") return;
  verdict.checks.push({ what: "SIGCONT → holder knows", worstMs: Math.max(...knewMs), boundMs: limits.knowsMs });
}

const SIGNALS = { drain: "SIGTERM", kill: "SIGKILL", freeze: "SIGSTOP", block: "" };

function judgeBlock(verdict: EventVerdict, runs: Run[], book: RunBook): void {
  const { mark } = verdict;
  for (const run of runs) {
    const next = book.nextAfter(run, mark.atMs);
    const resumed = run.steps.find((step) => step.askedAtMs > mark.endAtMs);
    const stalledMs = longestPauseMs(run);
    if (next !== undefined && next.startAtMs <= (resumed?.askedAtMs ?? Infinity)) {
      verdict.missed.push(`${run.job}: ${next.process} took it from ${mark.process}, whose loop was only blocked`);
    } else if (resumed === undefined) {
      verdict.missed.push(`${run.job}: ${mark.process} did not go on after its loop was blocked`);
    } else if (stalledMs < 0.9 * (mark.endAtMs - mark.atMs)) {
      verdict.missed.push(`${run.job}: the loop of ${mark.process} was not blocked long enough to show anything`);
    } else {
      verdict.gapsMs.push(0);
    }
  }
}

function longestPauseMs(run: Run): number {
  return run.steps.reduce((longestMs, step, index) => {
    const before = run.steps[index - 1];
    return before === undefined ? longestMs : Math.max(longestMs, step.atMs - before.atMs);
  }, 0);
}

export function findConflicts(jobs: readonly string[], book: RunBook, ledger: readonly LedgerEntry[]): Conflicts {
  const conflicts: Conflicts = {
    fencedOverlaps: countFencedOverlaps(ledger),
    refusedWrites: ledger.filter((entry) => !entry.accepted).length,
    acceptedWrites: ledger.filter((entry) => entry.accepted).length,
    falseYes: 0,
    unfencedOverlaps: 0,
    tokensNotGrown: 0,
  };
  for (const job of jobs) {
    const runs = book.ofJob(job);
    for (const run of runs) {
      // By token, not by time: a process may be frozen between its grant and its first record.
      const supersededAtMs = Math.min(
        ...runs.filter((other) => other !== run && other.token > run.token).map((other) => other.startAtMs),
      );
      conflicts.falseYes += run.steps.filter((step) => step.askedAtMs > supersededAtMs).length;
      conflicts.unfencedOverlaps += run.steps.filter((step) => step.atMs > supersededAtMs).length;
      const endedBefore = runs.filter((other) => other.stop !== undefined && other.stop.atMs < run.startAtMs);
      if (endedBefore.some((other) => other.token >= run.token)) conflicts.tokensNotGrown += 1;
    }
  }
  return conflicts;
}

/** The order of the log is the order in which the resource decided, so no clock takes part in this count. */
export function countFencedOverlaps(ledger: readonly LedgerEntry[]): number {
  const newest = new Map<string, LedgerEntry>();
  let overlaps = 0;
  for (const entry of ledger) {
    if (!entry.accepted) continue;
    const last = newest.get(entry.job);
    const sameTokenTwice = last !== undefined && entry.token === last.token && entry.run !== last.run;
    if (last !== undefined && (entry.token < last.token || sameTokenTwice)) overlaps += 1;
    else newest.set(entry.job, entry);
  }
  return overlaps;
}

function conflictFailures({ fencedOverlaps, falseYes, tokensNotGrown }: Conflicts): string[] {
  const failures: string[] = [];
  if (fencedOverlaps > 0) failures.push(`${fencedOverlaps} accepted writes of an older holder`);
  if (falseYes > 0) failures.push(`${falseYes} heartbeats said yes after the next run had started`);
  if (tokensNotGrown > 0) failures.push(`${tokensNotGrown} runs had a fencing token that was not larger than before`);
  return failures;
}

/** A lease that was lost, a run that failed, or a takeover, where nobody had touched the process that held it. */
function unexplained(book: RunBook, marks: readonly Mark[]): string[] {
  /** Only what was done during the run counts: a process that was frozen once is no fair game for ever. */
  const touched = (run: Run, untilMs: number, kinds: readonly Mark["kind"][]): boolean =>
    marks.some(
      (mark) =>
        mark.process === run.process && kinds.includes(mark.kind) && run.startAtMs <= mark.atMs && mark.atMs <= untilMs,
    );
  return book.all.flatMap((run) => {
    const { job, process, stop } = run;
    const reasons: string[] = [];
    if (stop?.reason === "failed") reasons.push(`${job}: the run on ${process} failed: ${stop.detail}`);
    if (stop?.reason === "lost" && !touched(run, stop.atMs, ["freeze"])) {
      reasons.push(`${job}: ${process} lost it for no reason: ${stop.detail}`);
    }
    const next = book.nextAfter(run, run.startAtMs);
    const ranOn = next !== undefined && (stop === undefined || stop.atMs > next.startAtMs);
    if (ranOn && !touched(run, next.startAtMs, ["kill", "freeze"])) {
      reasons.push(`${job}: ${next.process} took it from ${process}, which was alive`);
    }
    return reasons;
  });
}
