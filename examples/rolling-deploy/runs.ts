// From records to runs: which process ran which job from when to when, by the jobs' own account.
import type { JobRecord, StopReason } from "./records.js";

export type Run = {
  id: string;
  job: string;
  process: string;
  token: number;
  startAtMs: number;
  /** In order of time. `askedAtMs` was read before the heartbeat that allowed the step. */
  steps: { askedAtMs: number; atMs: number }[];
  stop?: { atMs: number; reason: StopReason; detail: string };
};

/** Takes records in the order of each process; processes may be mixed in any way. */
export class RunBook {
  #runs = new Map<string, Run>();
  #runsOfJob = new Map<string, Run[]>();

  add(record: JobRecord): void {
    const { run: id, job, process, token, atMs } = record;
    if (record.type === "start") {
      const run: Run = { id, job, process, token, startAtMs: atMs, steps: [] };
      this.#runs.set(id, run);
      const runs = this.ofJob(job);
      runs.push(run);
      runs.sort((left, right) => left.startAtMs - right.startAtMs);
      this.#runsOfJob.set(job, runs);
    } else if (record.type === "progress") {
      this.#runs.get(id)?.steps.push({ askedAtMs: record.askedAtMs, atMs });
    } else if (record.type === "stop") {
      const run = this.#runs.get(id);
      if (run !== undefined) run.stop = { atMs, reason: record.reason, detail: record.detail };
    }
  }

  get all(): Run[] {
    return [...this.#runs.values()];
  }

  /** Ordered by start. */
  ofJob(job: string): Run[] {
    return this.#runsOfJob.get(job) ?? [];
  }

  /** The runs of a process that had started by then, had not stopped, and had nobody started after them. */
  ofProcessAt(process: string, atMs: number): Run[] {
    return this.all.filter(
      (run) =>
        run.process === process &&
        run.startAtMs <= atMs &&
        (run.stop === undefined || run.stop.atMs > atMs) &&
        !this.ofJob(run.job).some((other) => other.startAtMs > run.startAtMs && other.startAtMs <= atMs),
    );
  }

  /** The first other run of the same job that started after that instant. */
  nextAfter(run: Run, atMs: number): Run | undefined {
    return this.ofJob(run.job).find((other) => other !== run && other.startAtMs > atMs);
  }

  /** The latest run of a job, unless it has stopped. A killed process never says so: ask who is alive. */
  latestRunning(job: string): Run | undefined {
    const run = this.ofJob(job).at(-1);
    return run?.stop === undefined ? run : undefined;
  }
}
