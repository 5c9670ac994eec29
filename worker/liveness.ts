import { systemClock } from "../src/clock.js";
import { openDatabase } from "../src/databases/described.js";
import { readHostFacts } from "../src/host-facts.js";
import type { FromWorker, LivenessTask, ToWorker } from "../src/liveness-protocol.js";
import { SharedCells } from "../src/shared-cells.js";
import { trustMs } from "../src/trust.js";
import { LivenessRun } from "./run.js";

/**
 * The piscina task: one run lasts as long as the session is wanted (docs/adr/0001). Resolves when told to stop;
 * rejects, or dies with its thread, when it fails, and is then started again.
 */
export default async function liveness({ port, ...task }: LivenessTask): Promise<void> {
  const cells = new SharedCells(trustMs(task.limits.disconnectGraceMs), task.cells);
  const whole = await openDatabase(task.database);
  whole.disposeImported();
  const database = whole.shards?.[task.shard] ?? whole;
  cells.tickWorker(); // loaded: from here on it may not stand still for long
  const run = new LivenessRun({
    ...{ task, database, cells, clock: systemClock, host: readHostFacts() },
    notify: (message: FromWorker) => port.postMessage(message),
    kill: () => process.kill(process.pid, "SIGKILL"),
  });
  const stop = await new Promise<{ goodbye: boolean; withinMs: number }>((resolve) => {
    port.on("message", (message: ToWorker) => (message.type === "stop" ? resolve(message) : run.receive(message)));
  });
  await run.stop(stop.goodbye, stop.withinMs);
  port.close();
}
