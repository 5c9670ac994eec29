// One member process under test: a locker, its jobs, and the orders that the harness gives it.

import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { BroadcastChannel } from "node:worker_threads";
import { fileURLToPath } from "node:url";
import { Locker, type Condemned } from "../../src/index.js";
import { serveChild } from "../support/child.js";
import { mulberry32, withDeadline } from "../support/wait.js";
import { Journal, nowMs } from "./journal.js";
import { Jobs } from "./member-jobs.js";
import {
  orderChannel,
  orderMsMax,
  type MemberSetup,
  type OrderHeard,
  type PostedOrder,
  type WorkerOrder,
} from "./member-protocol.js";
import { Register } from "./register.js";

const orders = new BroadcastChannel(orderChannel);
/** Orders to the worker that it has not taken yet. */
const hearing = new Map<number, () => void>();
let lastOrder = 0;
let journal: Journal;
let locker: Locker;
let register: Register;
let jobs: Jobs;
let loops: Promise<unknown>;

orders.addEventListener("message", (message) => {
  const { heard } = (message as unknown as { data: OrderHeard }).data;
  hearing.get(heard)?.();
});

serveChild({
  open(setup: MemberSetup) {
    journal = new Journal(setup.journalPath, setup.name);
    process.on("unhandledRejection", (error) => journal.add({ kind: "crashed", error: textOf(error) }));
    process.on("uncaughtException", (error) => journal.add({ kind: "crashed", error: textOf(error) }));
    subscribe("pulselock:condemned", (message) => {
      const { pid, reason, silentMs } = message as Condemned;
      journal.add({ kind: "condemned", pid, reason, silentMs });
    });
    const moduleName = fileURLToPath(new URL("./member-database.js", import.meta.url));
    const labels = { member: setup.name };
    locker = new Locker({ database: { moduleName, exportName: "database" }, ...setup.limits, labels });
    register = new Register(setup.registerUrl, setup.registerPrefix);
    jobs = new Jobs({ locker, journal, register, keys: setup.keys, random: mulberry32(setup.seed) });
    journal.add({ kind: "started" });
    loops = Promise.all(Array.from({ length: setup.loops }, () => jobs.loop()));
    loops.catch((error: unknown) => journal.add({ kind: "crashed", error: textOf(error) }));
  },
  /** The event loop stands still, without work for the processor, as in a long synchronous call. */
  block(forMs: number, givenAtMs: number) {
    checkFresh(givenAtMs);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
  },
  /** Resolves once the worker's thread has the order; rejects when there is none that could carry it out. */
  async worker(order: WorkerOrder, givenAtMs: number) {
    checkFresh(givenAtMs);
    const id = ++lastOrder;
    const heard = new Promise<void>((resolve) => hearing.set(id, resolve));
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel between threads, no window
      orders.postMessage({ ...order, id, untilMs: nowMs() + orderMsMax } satisfies PostedOrder);
      await withDeadline(heard, 2 * orderMsMax, "a worker thread that hears the order");
    } finally {
      hearing.delete(id);
    }
  },
  calm: () => jobs.calm(),
  /** Ends the jobs in good order. */
  async rest() {
    jobs.stop();
    await loops;
  },
  take: (key: string, waitMs: number) => jobs.take(key, waitMs),
  /** Ends the jobs in good order, then the locker. Resolves with what keeps the process alive besides the channel. */
  async close() {
    jobs.stop();
    await loops;
    await jobs.letGo();
    const startedMs = nowMs();
    await locker.close();
    journal.add({ kind: "closed", tookMs: nowMs() - startedMs });
    await register[Symbol.asyncDispose]();
    orders.close();
  },
  /** Threads of this process: the locker's must be gone after close(). */
  threads: () => Number(/Threads:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]),
});

function checkFresh(givenAtMs: number): void {
  const lateMs = nowMs() - givenAtMs;
  if (lateMs > orderMsMax) throw new Error(`the order came ${Math.round(lateMs)} ms late and was not carried out`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
