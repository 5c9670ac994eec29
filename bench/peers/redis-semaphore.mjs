// redis-semaphore's Mutex as its README says: it refreshes by itself, a lost lock shows in isAcquired.

import { Redis } from "ioredis";
import { Mutex } from "redis-semaphore";

export function open({ url, ttlMs, retryMs }) {
  const client = new Redis(url);
  const options = {
    lockTimeout: ttlMs,
    acquireTimeout: Infinity,
    retryInterval: retryMs,
    onLockLost: () => {}, // else it ends the process; isAcquired tells
  };
  return {
    async run(key, section) {
      const mutex = new Mutex(client, key, options);
      await mutex.acquire();
      try {
        await section({ check: () => throwIfLost(mutex) });
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
