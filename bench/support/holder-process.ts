// A process that holds keys and wants keys through any locker: by the module it is told to open, with its defaults.

import { setTimeout as delay } from "node:timers/promises";
import { serveChild } from "../../test/support/child.js";
import type { Guard, Subject, SubjectModule } from "../recipes/subject.js";
import { nowMs } from "./bed.js";
import { Board } from "./board.js";

const told = new Board<number>();
const jobs = new Set<Promise<unknown>>();
let subject: Subject;
let isStopping = false;

/**
 * A job as people write them: it looks whether it still holds the key and sleeps, for as long as it may.
 * It is told of a loss unasked, or when it looks.
 */
async function work(key: string, { onLost, check }: Guard): Promise<never> {
  const noteLoss = (): void => told.post(key, nowMs());
  onLost(noteLoss);
  for (;;) {
    if (isStopping) throw new Error("this process ends");
    try {
      await check();
    } catch (error) {
      noteLoss();
      throw error;
    }
    await delay(20);
  }
}

/** Resolves with the moment in which the job under the key starts. */
function take(key: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const job = subject.run(key, (guard) => {
      resolve(nowMs());
      return work(key, guard);
    });
    jobs.add(job);
    void job.then(() => reject(new Error(`${key}: over before its job began`)), reject);
  });
}

/** As services write it where their locker knows nothing of signals: no job goes on, each gives its key back. */
async function stop(): Promise<void> {
  isStopping = true;
  await Promise.allSettled(jobs);
  await subject.close();
  process.exit();
}

process.on("SIGTERM", () => void stop());

serveChild({
  open: async (module: string, url: string) => {
    subject = await ((await import(module)) as SubjectModule).open({ url });
  },
  take,
  told: (key: string) => told.read(key),
  /** The event loop stands still, without a share of the processor. */
  block: (ms: number) => {
    const from = nowMs();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return { from, to: nowMs() };
  },
});
