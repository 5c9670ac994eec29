import type { Clock, Timer } from "./clock.js";
import { publish } from "./events.js";
import type { FromWorker, ToWorker, WorkerTask } from "./liveness-protocol.js";
import type { SharedCells } from "./shared-cells.js";
import type { StartWorker, WorkerRun } from "./worker-thread.js";

const RESTART_MS_MIN = 50;
const RESTART_MS_MAX = 2_000;
/** How long the worker may make no step while the main thread makes its own, ms. */
const STALL_MS_MAX = 5_000;
/** The same before its first step: a database module may bring a large application along, ms. */
const START_MS_MAX = 30_000;
const LOOK_MS = 1_000;

export type WorkerHostDeps = {
  clock: Clock;
  cells: SharedCells;
  workerPath: string;
  startWorker: StartWorker;
  /** What a run is started with; asked anew for each run, since the session may have changed. */
  task(): Omit<WorkerTask, "cells">;
  onMessage(message: FromWorker): void;
};

/**
 * Keeps one run of the liveness task going: starts it, starts it again with backoff when it fails or stalls, and
 * ends it by message. While none runs nobody writes trust, so everything that depends on it fails closed by itself.
 */
export class WorkerHost {
  readonly #deps: WorkerHostDeps;
  #run: WorkerRun | undefined;
  #ended: Promise<void> | undefined;
  #restart: Timer | undefined;
  #look: Timer | undefined;
  #failures = 0;
  #ticksAtLaunch = 0;
  #stopped = false;

  constructor(deps: WorkerHostDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#launch();
    this.#watchStall(this.#deps.cells.readWorkerTick(), 0);
  }

  post(message: ToWorker): void {
    this.#run?.post(message);
  }

  /** Asks the worker to end, waits so long, and takes the thread down in any case. */
  async stop(goodbye: boolean, timeoutMs: number): Promise<void> {
    this.#stopped = true;
    this.#restart?.cancel();
    this.#look?.cancel();
    // It ends before the thread is taken down: a native call that then wants to throw would take the process with it.
    this.post({ type: "stop", goodbye, withinMs: timeoutMs * 0.7 });
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => (timer = this.#deps.clock.timer(timeoutMs, resolve)));
    await Promise.race([this.#ended, timeout]);
    timer?.cancel();
    await this.#run?.destroy();
  }

  #launch(): void {
    const { cells, workerPath, startWorker, task, onMessage } = this.#deps;
    this.#ticksAtLaunch = cells.readWorkerTick();
    publish("worker", () => ({ state: "started" }));
    const run = startWorker(workerPath, { ...task(), cells: cells.buffer }, (message) => {
      if (message.type === "session" || message.type === "trusted") this.#failures = 0;
      if (this.#run === run) onMessage(message);
    });
    this.#run = run;
    this.#ended = run.ended.then(
      () => this.#onEnd(run),
      (error: unknown) => this.#onEnd(run, error),
    );
  }

  #onEnd(run: WorkerRun, error?: unknown): void {
    if (this.#stopped) return publish("worker", () => ({ state: "stopped" }));
    this.#run = undefined;
    publish("worker", () => ({ state: "failed", error }));
    void run.destroy();
    const message = error instanceof Error ? error.message : "it ended by itself";
    this.#deps.onMessage({ type: "failure", code: "unreachable", message: `The liveness worker failed: ${message}` });
    const { clock } = this.#deps;
    const backoffMs = Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** this.#failures++);
    this.#restart = clock.timer(backoffMs * (0.5 + clock.random() / 2), () => this.#launch());
  }

  /** Stopped processes stall in both threads: only steps of this one, taken while the worker took none, count. */
  #watchStall(tick: number, stalledMs: number): void {
    this.#look = this.#deps.clock.timer(LOOK_MS, () => {
      const now = this.#deps.cells.readWorkerTick();
      const stalled = this.#run === undefined || now !== tick ? 0 : stalledMs + LOOK_MS;
      const stalledMsMax = now === this.#ticksAtLaunch ? START_MS_MAX : STALL_MS_MAX;
      if (stalled < stalledMsMax) return this.#watchStall(now, stalled);
      publish("worker", () => ({ state: "stalled" }));
      void this.#run?.destroy(); // ends the run, which starts the next
      this.#watchStall(now, 0);
    });
  }
}
