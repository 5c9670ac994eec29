import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
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
export const startWorkerThread: StartWorker = (workerPath, task, onMessage) => {
  try {
    return runInThread(workerPath, task, onMessage);
  } catch (error) {
    // A machine that has no room for another thread (EAGAIN): a run that failed, to be tried again like any other.
    return { ended: Promise.reject(error as Error), post: () => {}, destroy: () => Promise.resolve() };
  }
};

const runInThread: StartWorker = (filename, task, onMessage) => {
  const pool = new Piscina({
    filename,
    minThreads: 1,
    maxThreads: 1,
    atomics: "disabled",
    idleTimeout: Infinity,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  pool.on("error", (error) => publish("worker", () => ({ state: "failed", error })));
  const { port1, port2 } = new MessageChannel();
  port1.on("message", onMessage);
  const given: LivenessTask = { ...task, port: port2 };
  const running = pool.run(given, { transferList: [port2] }) as Promise<void>;
  return {
    ended: running.finally(() => port1.close()),
    post: (message) => port1.postMessage(message),
    destroy: () => pool.destroy(),
  };
};
