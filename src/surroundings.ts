import { systemClock, type Clock } from "./clock.js";
import { readHostFacts, type HostFacts } from "./host-facts.js";
import { shareWorkerThread, startWorkerThread, type StartWorker } from "./worker-thread.js";

/** All that a locker reaches for outside itself, besides its database. A simulator gives its own. */
export type Surroundings = {
  clock: Clock;
  startWorker: StartWorker;
  /** For a locker of several sessions: their runs share a thread. Default: a thread each. */
  shareWorker?(): StartWorker;
  readHost(): HostFacts;
};

export const surroundings: Surroundings = {
  clock: systemClock,
  startWorker: startWorkerThread,
  shareWorker: shareWorkerThread,
  readHost: readHostFacts,
};
