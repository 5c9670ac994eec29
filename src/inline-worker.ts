import { LivenessRun } from "../worker/run.js";
import type { Clock } from "./clock.js";
import type { Database } from "./databases/database.js";
import type { HostFacts } from "./host-facts.js";
import type { ToWorker } from "./liveness-protocol.js";
import { SharedCells } from "./shared-cells.js";
import { trustMs } from "./trust.js";
import type { StartWorker } from "./worker-thread.js";

/**
 * Runs the worker's code in this thread, for a database that no other thread can reach. A blocked event loop then stops
 * the pings with everything else; but whoever could condemn this session stands still in the same thread.
 */
export function startInline(database: Database, clock: Clock, host: HostFacts): StartWorker {
  return (_workerPath, task, onMessage) => {
    const cells = new SharedCells(trustMs(task.limits.disconnectGraceMs), task.cells);
    cells.tickWorker();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    let isOver = false;
    const stop = async (goodbye: boolean, withinMs: number) => {
      if (isOver) return;
      isOver = true;
      await run.stop(goodbye, withinMs);
      end();
    };
    const run = new LivenessRun({
      ...{ task, cells, database, clock, host },
      notify: (message) => clock.afterInput(() => isOver || onMessage(message)),
      kill: () => void process.kill(process.pid, "SIGKILL"),
    });
    const receive = (message: ToWorker) =>
      message.type === "stop" ? void stop(message.goodbye, message.withinMs) : run.receive(message);
    return {
      ended,
      post: (message) => clock.afterInput(() => isOver || receive(message)),
      destroy: () => stop(false, 0),
    };
  };
}
