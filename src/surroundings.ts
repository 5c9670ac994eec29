import { systemClock, type Clock } from "./clock.js";
import { readHostFacts, type HostFacts } from "./host-facts.js";
import { loadPiscina, shareWorkerThread, startWorkerThread, type StartWorker } from "./worker-thread.js";

/** All that a locker reaches for outside itself, besides its database. A simulator gives its own. */
export type Surroundings = {
  clock: Clock;
  startWorker: StartWorker;
  /** What that needs, loaded: then it starts at once. */
  loadWorker?(): Promise<void>;
  /** For a locker of several sessions: their runs share a thread. Default: a thread each. */
  shareWorker?(): StartWorker;
  readHost(): HostFacts;
};

export const surroundings: Surroundings = {
  clock: systemClock,
  startWorker: startWorkerThread,
  loadWorker: loadPiscina,
  shareWorker: shareWorkerThread,
  readHost: readHostFacts,
};
