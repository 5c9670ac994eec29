// One process of the fleet: it tries to run every job through `acquireAndRun` until it is told to stop.
import { subscribe } from "node:diagnostics_channel";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Locker } from "../../src/index.js";
import type { Events } from "../../src/index.js";
import { describe, runJob } from "./job.js";
import { connectToParent } from "./parent.js";
import { nowMs, openRecordWriter } from "./records.js";

/** A process that runs so many jobs tries for no more. Above its fair share, so that survivors have room. */
const JOBS_MAX = 4;
/** A dead holder's key makes an acquire wait until it may judge; the other jobs are not kept waiting for that. */
const ATTEMPT_PATIENCE_MS = 100;
/** Except for the first answer of all: until the store grants anything, more attempts would only pile up. */
const FIRST_PATIENCE_MS = 5_000;

const [name = "", recordsPath = "", ...jobs] = process.argv.slice(2);
const record = openRecordWriter(recordsPath);
const parent = connectToParent();
const stopping = new AbortController();
const locker = new Locker({
  database: { moduleName: fileURLToPath(new URL("./database.js", import.meta.url)), exportName: "db" },
  labels: { process: name },
});
/** Jobs that an attempt is under way for, whether it still asks or already runs. */
const attempted = new Set<string>();
let running = 0;

/** Resolves when the job started here or the attempt came to nothing; the job itself runs on. */
function attempt(job: string): Promise<void> {
  return new Promise((answered) => {
    void tryToRun(job, answered).finally(answered);
  });
}

async function tryToRun(job: string, onStart: () => void): Promise<void> {
  attempted.add(job);
  try {
    await locker.acquireAndRun(
      job,
      async (heartbeat, lease) => {
        running += 1;
        onStart();
        try {
          return await runJob({ process: name, record, writeToLedger: parent.writeToLedger }, heartbeat, lease);
        } finally {
          running -= 1;
        }
      },
      { trace: name, signal: stopping.signal },
    );
  } catch (error) {
    if (stopping.signal.aborted) return;
    record({ type: "trouble", process: name, job, run: "", token: 0, detail: describe(error), atMs: nowMs() });
  } finally {
    attempted.delete(job);
  }
}

/** Tries the jobs that do not run here until one is won. Every process, and every sweep, begins with another job. */
async function sweep(sweeps: number): Promise<void> {
  const runningBefore = running;
  const patienceMs = sweeps === 0 ? FIRST_PATIENCE_MS : ATTEMPT_PATIENCE_MS;
  for (const job of rotated(jobs, process.pid + sweeps)) {
    if (running > runningBefore || running >= JOBS_MAX || stopping.signal.aborted) return;
    if (!attempted.has(job)) await Promise.race([attempt(job), delay(patienceMs, undefined, { ref: false })]);
  }
}

async function contend(): Promise<void> {
  for (let sweeps = 0; !stopping.signal.aborted; sweeps++) {
    await sweep(sweeps);
    if (sweeps === 0) parent.send({ type: "ready" });
    // The fuller a process, the later it tries again: so the jobs spread without anybody planning it.
    await delay(20 + 60 * running, undefined, { signal: stopping.signal }).catch(() => {});
  }
}

function rotated(values: readonly string[], by: number): string[] {
  const first = by % values.length;
  return [...values.slice(first), ...values.slice(0, first)];
}

/** Leaves in good order. The process then exits by itself: nothing of the locker keeps it alive. */
async function stop(reason: string): Promise<void> {
  if (stopping.signal.aborted) return;
  stopping.abort(new Error(reason));
  await locker.drain(reason);
  await locker.close();
  if (process.connected) process.disconnect();
}

subscribe("pulselock:granted", (message) => {
  const { key, fencingToken, takenFrom } = message as Events["granted"];
  if (takenFrom === undefined) return;
  const { sessionId, reason } = takenFrom;
  const common = { process: name, job: key, run: "", token: fencingToken, atMs: nowMs() };
  record({ type: "takeover", ...common, sessionId, reason });
});

process.on("SIGTERM", () => void stop("SIGTERM"));
// Ctrl-C reaches the whole process group. The parent then stops the fleet, as it does at the end.
process.on("SIGINT", () => {});
process.once("disconnect", () => void stop("the parent process is gone"));

await contend();
