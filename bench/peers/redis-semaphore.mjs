// redis-semaphore's Mutex as its README says: it refreshes by itself, a lost lock shows in isAcquired.

import { Redis } from "ioredis";
import { Mutex } from "redis-semaphore";

/** Of the package. */
export const defaults = {
  ttlMs: 10_000,
  retryMs: 10,
  phasesMs: 8_000,
  say: "TTL 10 s, refreshed every 8 s, a look every 10 ms: its defaults",
};

/** Where it writes down who holds the key. */
export function recordOf(key) {
  return `mutex:${key}`;
}

export function open({ url, ttlMs = defaults.ttlMs, retryMs = defaults.retryMs }) {
  const client = new Redis(url);
  // Unless it is given what to do when a lock is lost, that ends the process.
  const options = { lockTimeout: ttlMs, acquireTimeout: Infinity, retryInterval: retryMs, onLockLost: () => {} };
  return {
    async run(key, section) {
      const lost = new AbortController();
      const mutex = new Mutex(client, key, { ...options, onLockLost: (error) => lost.abort(error) });
      await mutex.acquire();
      try {
        await section({ signal: lost.signal, check: () => throwIfLost(mutex) });
      } finally {
        await mutex.release();
      }
    },
    async cycle(key) {
      const mutex = new Mutex(client, key, options);
      await mutex.acquire();
      await mutex.release();
    },
    close: () => client.quit(),
  };
}

function throwIfLost(mutex) {
  if (!mutex.isAcquired) throw new Error("the lock is lost");
}
