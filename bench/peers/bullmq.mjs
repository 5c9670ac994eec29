// BullMQ as its documentation says. It locks jobs, not keys: a key is a queue with one job here, and whoever may work
// on that job holds the key. A job that stalled, or that throws, is begun again by another worker.

import { Queue, Worker } from "bullmq";

/** Of the package. Whether a worker died is looked at every 30 s too, so that is what its figures depend on. */
export const defaults = {
  phasesMs: 30_000,
  say: "lock of 30 s, renewed after 7.5 to 15 s, jobs looked for that stalled every 30 s: its defaults",
};

const job = "job";

/** Where it writes down who holds the key. */
export function recordOf(key) {
  return `bull:${key}:${job}:lock`;
}

export function open({ url, ttlMs }) {
  const connection = { url };
  const limits = ttlMs === undefined ? {} : { lockDuration: ttlMs };
  return {
    async run(key, section) {
      const queue = new Queue(key, { connection });
      await queue.add(key, {}, { jobId: job, attempts: Number.MAX_SAFE_INTEGER });
      const processOnce = async (_job, _token, signal) => {
        try {
          const onLost = (listener) => signal.addEventListener("abort", listener);
          await section({ check: () => signal.throwIfAborted(), onLost });
        } finally {
          void worker.close(); // takes no further job, and waits for this one
        }
      };
      const worker = new Worker(key, processOnce, { connection, ...limits });
      worker.on("lockRenewalFailed", (ids) => ids.forEach((id) => worker.cancelJob(id, new Error("the lock is lost"))));
      worker.on("error", () => {}); // said again by the event above
      await new Promise((resolve) => worker.once("closed", resolve));
      await queue.close();
    },
    close: () => {},
  };
}
