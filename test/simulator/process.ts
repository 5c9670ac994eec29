// A simulated process: a main thread with a Locker, and the worker thread that the Locker starts.

import type { Database, SessionRecord } from "../../src/databases/database.js";
import type { HostFacts } from "../../src/host-facts.js";
import { Locker, type LockerOptions } from "../../src/index.js";
import type { FromWorker, ToWorker, WorkerTask } from "../../src/liveness-protocol.js";
import { RedisKeys } from "../../src/databases/redis/keys.js";
import { RedisLeases } from "../../src/databases/redis/redis-leases.js";
import { RedisLiveness } from "../../src/databases/redis/redis-liveness.js";
import type { OpenConnection } from "../../src/databases/redis/connection.js";
import { SharedCells } from "../../src/shared-cells.js";
import type { ProcessProof } from "../../src/takeover.js";
import { trustMs } from "../../src/trust.js";
import type { WorkerRun } from "../../src/worker-thread.js";
import { LivenessRun } from "../../worker/run.js";
import { PREFIX } from "./prefix.js";
import { Path, SimConnection } from "./network.js";
import type { SimServer } from "./server.js";
import { SimThread, type Host } from "./thread.js";
import type { World } from "./world.js";

export type Limits = Required<
  Pick<
    LockerOptions,
    "lockTtlMs" | "sessionTtlMs" | "pingIntervalMs" | "disconnectGraceMs" | "acquireTimeoutMs" | "closeTimeoutMs"
  >
> & { recoveryMs: number; commandTimeoutMs: number };

export type ProcessSetup = {
  world: World;
  server: SimServer;
  name: string;
  pid: number;
  limits: Limits;
  isAlive(pid: number): boolean;
  onDeath(): void;
};

export class SimProcess implements Host {
  readonly world: World;
  readonly name: string;
  readonly pid: number;
  readonly path: Path;
  readonly main: SimThread;
  readonly locker: Locker;
  readonly limits: Limits;
  wallOffsetMs = 0;
  isStopped = false;
  isDead = false;
  worker: SimThread | undefined;
  #crashWorker: ((cause: Error) => void) | undefined;
  readonly #setup: ProcessSetup;
  readonly #database: Database;

  constructor(setup: ProcessSetup) {
    this.#setup = setup;
    this.world = setup.world;
    this.name = setup.name;
    this.pid = setup.pid;
    this.limits = setup.limits;
    this.path = new Path(setup.world);
    this.main = new SimThread(this);
    this.#database = this.#openDatabase();
    const { recoveryMs: _recoveryMs, commandTimeoutMs: _commandTimeoutMs, ...options } = setup.limits;
    this.locker = new Locker(
      { ...options, database: this.#database },
      {
        clock: this.main,
        startWorker: (_path, task, tell) => this.#startWorker(task, tell),
        readHost: () => this.#host,
      },
    );
  }

  stop(): void {
    this.isStopped = true;
  }

  resume(): void {
    this.isStopped = false;
    this.main.wake();
    this.worker?.wake();
  }

  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.main.kill();
    this.worker?.kill();
    this.#setup.onDeath();
  }

  /** The worker's thread dies by itself; the process goes on. */
  crashWorker(): void {
    this.#crashWorker?.(new Error("the worker crashed"));
  }

  get #host(): HostFacts {
    const host = `host-${this.pid % 2}`;
    const proofs = { bootId: host, pidNamespace: "pid", timeNamespace: "time", startTime: String(this.pid) };
    const prove = (holder: SessionRecord): ProcessProof => {
      if (holder.host !== host) return "unknown";
      return this.#setup.isAlive(holder.pid) ? "alive" : "dead";
    };
    return { host, pid: this.pid, proofs, prove };
  }

  #openDatabase(): Database {
    const { server, limits } = this.#setup;
    const open: OpenConnection = (clock, events) =>
      new SimConnection(clock as SimThread, this.path, server, limits.commandTimeoutMs, events);
    const keys = new RedisKeys(PREFIX);
    return {
      recoveryMs: limits.recoveryMs,
      openLeases: (context) => new RedisLeases(open, keys, context),
      openLiveness: (context, events) => new RedisLiveness(open, keys, true, context, events),
      describe: () => ({ type: "url", url: "redis://simulated" }),
      disposeImported: () => {},
    };
  }

  #startWorker(task: Omit<WorkerTask, "port">, tell: (message: FromWorker) => void): WorkerRun {
    const thread = new SimThread(this);
    this.worker = thread;
    const toWorker = this.#port(thread);
    const toMain = this.#port(this.main);
    let run: LivenessRun | undefined;
    let end!: { resolve(): void; reject(cause: Error): void };
    const ended = new Promise<void>((resolve, reject) => (end = { resolve, reject }));
    const begin = () => {
      const cells = new SharedCells(trustMs(task.limits.disconnectGraceMs), task.cells);
      cells.tickWorker();
      run = new LivenessRun({
        ...{ task, cells, database: this.#database, clock: thread, host: this.#host },
        notify: (message) => toMain(() => tell(message)),
        kill: () => this.kill(),
      });
    };
    const receive = (message: ToWorker) => {
      if (message.type !== "stop") return run?.receive(message);
      void run?.stop(message.goodbye, message.withinMs).then(() => toMain(() => (thread.kill(), end.resolve())));
    };
    const die = (cause: Error) => {
      thread.kill();
      toMain(() => end.reject(cause));
    };
    this.#crashWorker = die;
    toWorker(begin);
    return {
      ended,
      post: (message) => toWorker(() => receive(message)),
      destroy: () => Promise.resolve(die(new Error("the thread was taken down"))),
    };
  }

  /** Messages to a thread, in the order in which they were sent. */
  #port(thread: SimThread): (handle: () => void) => void {
    let lastMs = 0;
    return (handle) => {
      lastMs = Math.max(lastMs, this.world.nowMs + this.world.between(0.02, 0.5));
      this.world.at(lastMs, () => thread.input(handle));
    };
  }
}
