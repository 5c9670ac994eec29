import { MessageChannel } from "node:worker_threads";
import type { Piscina } from "piscina";
import { publish } from "./events.js";
import type { FromWorker, LivenessTask, ToWorker, WorkerTask } from "./liveness-protocol.js";

/** One run of the liveness task, in a thread of its own. */
export interface WorkerRun {
  /** Resolves when the task has ended by itself, rejects when it failed or its thread died. */
  readonly ended: Promise<void>;
  post(message: ToWorker): void;
  /** Takes the thread down, whatever it does. Ends the run. */
  destroy(): Promise<void>;
}

export type StartWorker = (workerPath: string, task: WorkerTask, onMessage: (message: FromWorker) => void) => WorkerRun;

/** Room for a database module that drags its application along; a leak in it must not eat the process. */
const HEAP_MB_MAX = 256;

/**
 * Each run has a pool of its own: in a thread where the database's module failed to load it would fail for ever. The
 * task form, the atomics setting and what they do are in docs/adr/0001.
 */
export const startWorkerThread: StartWorker = (filename, task, onMessage) => {
  const pool = openPool(filename, 1);
  const { ended, post } = runIn(pool, task, onMessage);
  return { ended, post, destroy: () => takeDown(pool) };
};

/**
 * The same for runs that share one thread, which lasts as long as any of them. Where one has to be taken down all are:
 * the others are started again, as after any failure.
 */
export function shareWorkerThread(): StartWorker {
  let shared: { pool: Promise<Piscina>; runs: Set<object> } | undefined;
  return (filename, task, onMessage) => {
    shared ??= { pool: openPool(filename, RUNS_MAX), runs: new Set() };
    const { pool, runs } = shared;
    const { ended, post } = runIn(pool, task, onMessage);
    const run = {};
    runs.add(run);
    const leave = (): boolean => runs.delete(run) && runs.size === 0;
    const endAll = (): Promise<void> => {
      if (shared?.pool === pool) shared = undefined;
      return takeDown(pool);
    };
    let hasEnded = false;
    void ended.then(
      () => (hasEnded = true),
      () => {},
    );
    // One that has ended by itself leaves the thread to the others.
    return { ended, post, destroy: async () => void ((leave() || !hasEnded) && (await endAll())) };
  };
}
/** More than a database has shards: no run may wait for another to end. */
const RUNS_MAX = 1_000;

let piscina: { Piscina: typeof Piscina } | undefined;

/**
 * What a worker's start needs: an import of the package does not pay for it. A locker asks for it first of all, so that
 * the thread starts while this one loads what it needs itself.
 */
export async function loadPiscina(): Promise<void> {
  piscina ??= await import("piscina");
}

/** Rejects where there is no room for another thread (EAGAIN): a run that failed, to be tried again like any other. */
async function openPool(filename: string, concurrentTasksPerWorker: number): Promise<Piscina> {
  if (!piscina) await loadPiscina();
  const pool = new piscina!.Piscina({
    filename,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker,
    atomics: "disabled",
    idleTimeout: Infinity,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  pool.on("error", (error) => publish("worker", () => ({ state: "failed", error })));
  return pool;
}

/** One that could not be made needs no end. */
async function takeDown(pool: Promise<Piscina>): Promise<void> {
  await pool.then(
    (made) => made.destroy(),
    () => {},
  );
}

function runIn(
  pool: Promise<Piscina>,
  task: WorkerTask,
  onMessage: (message: FromWorker) => void,
): Omit<WorkerRun, "destroy"> {
  const { port1, port2 } = new MessageChannel();
  port1.on("message", onMessage);
  const given: LivenessTask = { ...task, port: port2 };
  const running = pool.then((made): Promise<void> => made.run(given, { transferList: [port2] }));
  return { ended: running.finally(() => port1.close()), post: (message) => port1.postMessage(message) };
}
