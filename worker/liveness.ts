import { writeSync } from "node:fs";
import { hostname } from "node:os";
import { systemClock } from "../src/clock.js";
import { openDatabase } from "../src/databases/open.js";
import { readHostProofs } from "../src/host-facts.js";
import type { FromWorker, LivenessTask, ToWorker } from "../src/liveness-protocol.js";
import { SharedCells } from "../src/shared-cells.js";
import { trustMs } from "../src/trust.js";
import { Pinger } from "./pinger.js";
import { MainWatch } from "./watch.js";

/** How often the worker looks at the main thread and says that it runs itself, ms. */
const TICK_MS = 100;

/**
 * The piscina task: one run lasts as long as the session is wanted (docs/adr/0001). Resolves when told to stop;
 * rejects, or dies with its thread, when it fails, and is then started again.
 */
export default async function liveness(task: LivenessTask): Promise<void> {
  const { port, limits, lockerId, labels, resume, sessionsUsed } = task;
  const clock = systemClock;
  const cells = new SharedCells(trustMs(limits.disconnectGraceMs), task.cells);
  const database = await openDatabase(task.database);
  database.disposeImported();
  cells.tickWorker(); // loaded: from here on it may not stand still for long
  const notify = (message: FromWorker) => port.postMessage(message);
  const pinger = new Pinger({
    ...{ database, clock, cells, limits, lockerId, labels, resume, sessionsUsed, notify },
    ...{ host: hostname(), pid: process.pid, proofs: readHostProofs() },
  });
  const { lockTtlMs, killAfterMs } = limits;
  const watch = new MainWatch(cells, { lockTtlMs, killAfterMs, tickMs: TICK_MS });
  for (const leaseNumber of task.lostJobs) watch.onLost(leaseNumber);

  let lastTickMs = clock.monoMs();
  const tick = () => {
    cells.tickWorker();
    const nowMs = clock.monoMs();
    const { isStuck, killJobs } = watch.tick(nowMs - lastTickMs);
    lastTickMs = nowMs;
    if (killJobs > 0) killProcess(killJobs, killAfterMs!);
    if (isStuck) pinger.park();
    else pinger.unpark();
    timer = clock.timer(TICK_MS, tick);
  };
  let timer = clock.timer(TICK_MS, tick);

  pinger.start();
  const stop = await new Promise<{ goodbye: boolean }>((resolve) => {
    port.on("message", (message: ToWorker) => {
      if (message.type === "stop") resolve(message);
      else if (message.type === "hurry") pinger.hurry();
      else if (message.type === "lost") watch.onLost(message.leaseNumber);
      else watch.onSettled(message.leaseNumber);
    });
  });
  timer.cancel();
  await pinger.stop(stop.goodbye);
  port.close();
}

/** The last resort that was asked for with seppuku "kill": a job runs on without its lease and does not listen. */
function killProcess(jobs: number, killAfterMs: number): void {
  const others = jobs === 2 ? "1 other job dies" : `${jobs - 1} other jobs die`;
  const what = `pulselock: a job ran on for ${killAfterMs} ms without its lease`;
  writeSync(2, `${what}; killing process ${process.pid} (${others} with it)\n`);
  process.kill(process.pid, "SIGKILL");
}
