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
  const options = { lockTimeout: ttlMs, acquireTimeout: Infinity, retryInterval: retryMs };
  return {
    async run(key, section) {
      let tell = ignore;
      const mutex = new Mutex(client, key, { ...options, onLockLost: () => tell() });
      await mutex.acquire();
      try {
        await section({ check: () => throwIfLost(mutex), onLost: (listener) => (tell = listener) });
      } finally {
        await mutex.release();
      }
    },
    async cycle(key) {
      const mutex = new Mutex(client, key, { ...options, onLockLost: ignore });
      await mutex.acquire();
      await mutex.release();
    },
    close: () => client.quit(),
  };
}

/** Without a listener a lost lock would end the process; it shows in isAcquired, too. */
function ignore() {}

function throwIfLost(mutex) {
  if (!mutex.isAcquired) throw new Error("the lock is lost");
}
