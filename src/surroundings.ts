import { systemClock, type Clock } from "./clock.js";
import { readHostFacts, type HostFacts } from "./host-facts.js";
import { startWorkerThread, type StartWorker } from "./worker-thread.js";

/** All that a locker reaches for outside itself, besides its database. A simulator gives its own. */
export type Surroundings = {
  clock: Clock;
  startWorker: StartWorker;
  readHost(): HostFacts;
};

export const surroundings: Surroundings = {
  clock: systemClock,
  startWorker: startWorkerThread,
  readHost: readHostFacts,
};
