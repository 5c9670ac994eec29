import { writeSync } from "node:fs";
import type { Clock, Timer } from "../src/clock.js";
import type { Database } from "../src/databases/database.js";
import type { HostFacts } from "../src/host-facts.js";
import type { FromWorker, ToWorker, WorkerTask } from "../src/liveness-protocol.js";
import type { SharedCells } from "../src/shared-cells.js";
import { Pinger } from "./pinger.js";
import { MainWatch } from "./watch.js";

/** How often the worker looks at the main thread and says that it runs itself, ms. */
const TICK_MS = 100;

export type RunDeps = {
  task: Omit<WorkerTask, "cells">;
  database: Database;
  clock: Clock;
  cells: SharedCells;
  host: Omit<HostFacts, "prove">;
  notify(message: FromWorker): void;
  /** Ends the process at once: the last resort that was asked for with seppuku "kill". */
  kill(): void;
};

/** One run of the worker in whatever thread: pings, and looks after the main thread, until it is told to stop. */
export class LivenessRun {
  readonly #deps: RunDeps;
  readonly #pinger: Pinger;
  readonly #watch: MainWatch;
  #timer: Timer;
  #lastTickMs: number;

  constructor(deps: RunDeps) {
    this.#deps = deps;
    const { task, database, clock, cells, host, notify } = deps;
    const { limits, lockerId, labels, resume } = task;
    this.#pinger = new Pinger({
      ...{ database, clock, cells, limits, lockerId, labels, resume, notify },
      ...{ host: host.host, pid: host.pid, proofs: host.proofs },
    });
    const { lockTtlMs, killAfterMs } = limits;
    this.#watch = new MainWatch(cells, { lockTtlMs, killAfterMs, tickMs: TICK_MS });
    for (const leaseNumber of task.lostJobs) this.#watch.onLost(leaseNumber);
    this.#lastTickMs = clock.monoMs();
    this.#timer = clock.timer(TICK_MS, () => this.#tick());
    this.#pinger.start();
  }

  /** "stop" is left to the caller, who has to wait for it. */
  receive(message: Exclude<ToWorker, { type: "stop" }>): void {
    if (message.type === "hurry") this.#pinger.hurry();
    else if (message.type === "lost") this.#watch.onLost(message.leaseNumber);
    else this.#watch.onSettled(message.leaseNumber);
  }

  async stop(goodbye: boolean, withinMs: number): Promise<void> {
    this.#timer.cancel();
    await this.#pinger.stop(goodbye, withinMs);
  }

  #tick(): void {
    const { cells, clock } = this.#deps;
    cells.tickWorker();
    const nowMs = clock.monoMs();
    const { isStuck, killJobs } = this.#watch.tick(nowMs - this.#lastTickMs);
    this.#lastTickMs = nowMs;
    if (killJobs > 0) this.#killProcess(killJobs);
    if (isStuck) this.#pinger.park();
    else this.#pinger.unpark();
    this.#timer = clock.timer(TICK_MS, () => this.#tick());
  }

  /** A job runs on without its lease and does not listen. */
  #killProcess(jobs: number): void {
    const { task, host, kill } = this.#deps;
    const others = jobs === 2 ? "1 other job dies" : `${jobs - 1} other jobs die`;
    const what = `pulselock: a job ran on for ${task.limits.killAfterMs} ms without its lease`;
    writeSync(2, `${what}; killing process ${host.pid} (${others} with it)\n`);
    kill();
  }
}
