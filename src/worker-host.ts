import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type { Clock, Timer } from "./clock.js";
import { publish } from "./events.js";
import type { FromWorker, LivenessTask, ToWorker } from "./liveness-protocol.js";
import type { SharedCells } from "./shared-cells.js";

/** Room for a database module that drags its application along; a leak in it must not eat the process. */
const HEAP_MB_MAX = 256;
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
  /** What a run is started with; asked anew for each run, since the session may have changed. */
  task(): Omit<LivenessTask, "port" | "cells">;
  onMessage(message: FromWorker): void;
};

/**
 * Keeps one run of the liveness task going: starts it, starts it again with backoff when it fails or stalls, and
 * ends it by message. While none runs nobody writes trust, so everything that depends on it fails closed by itself.
 */
export class WorkerHost {
  readonly #deps: WorkerHostDeps;
  #pool: Piscina | undefined;
  #port: MessagePort | undefined;
  #run: Promise<void> | undefined;
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
    this.#port?.postMessage(message);
  }

  /** Asks the worker to end, waits so long, and takes the thread down in any case. */
  async stop(goodbye: boolean, timeoutMs: number): Promise<void> {
    this.#stopped = true;
    this.#restart?.cancel();
    this.#look?.cancel();
    this.post({ type: "stop", goodbye });
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => (timer = this.#deps.clock.timer(timeoutMs, resolve)));
    await Promise.race([this.#run, timeout]);
    timer?.cancel();
    this.#port?.close();
    await this.#pool?.destroy();
  }

  #launch(): void {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on("message", (message: FromWorker) => {
      if (message.type === "session" || message.type === "trusted") this.#failures = 0;
      if (this.#port === port1) this.#deps.onMessage(message);
    });
    this.#ticksAtLaunch = this.#deps.cells.readWorkerTick();
    const pool = (this.#pool ??= this.#openPool());
    const task: LivenessTask = { ...this.#deps.task(), port: port2, cells: this.#deps.cells.buffer };
    publish("worker", () => ({ state: "started" }));
    const ended = (error?: unknown) => this.#onEnd(port1, error);
    this.#run = pool.run(task, { transferList: [port2] }).then(() => ended(), ended);
  }

  /** The task form, the atomics setting and what they do are in docs/adr/0001. */
  #openPool(): Piscina {
    const pool = new Piscina({
      filename: this.#deps.workerPath,
      minThreads: 1,
      maxThreads: 1,
      atomics: "disabled",
      idleTimeout: Infinity,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    pool.on("error", (error) => publish("worker", () => ({ state: "failed", error })));
    return pool;
  }

  #onEnd(port: MessagePort, error?: unknown): void {
    port.close();
    if (this.#port !== port) return;
    this.#port = undefined;
    if (this.#stopped) return publish("worker", () => ({ state: "stopped" }));
    publish("worker", () => ({ state: "failed", error }));
    this.#dropThread();
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
      const stalled = this.#port === undefined || now !== tick ? 0 : stalledMs + LOOK_MS;
      const stalledMsMax = now === this.#ticksAtLaunch ? START_MS_MAX : STALL_MS_MAX;
      if (stalled < stalledMsMax) return this.#watchStall(now, stalled);
      publish("worker", () => ({ state: "stalled" }));
      this.#dropThread(); // ends the run, which starts the next
      this.#watchStall(now, 0);
    });
  }

  /** Each run has a thread of its own: in one where the database's module failed to load it would fail for ever. */
  #dropThread(): void {
    const pool = this.#pool;
    this.#pool = undefined;
    void pool?.destroy();
  }
}
