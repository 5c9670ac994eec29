// node-redlock 4 as its README says: lock() and unlock(). Nothing extends a lock, and only its expiration tells.

import { Redis } from "ioredis";
import Redlock from "redlock-4";

export function open({ url, ttlMs, retryMs }) {
  const client = new Redis(url);
  const redlock = new Redlock([client], { retryCount: -1, retryDelay: retryMs, retryJitter: retryMs });
  return {
    async run(key, section) {
      const lock = await redlock.lock(key, ttlMs);
      try {
        await section({ check: () => throwIfExpired(lock) });
      } finally {
        await lock.unlock();
      }
    },
    async cycle(key) {
      const lock = await redlock.lock(key, ttlMs);
      await lock.unlock();
    },
    close: () => client.quit(),
  };
}

function throwIfExpired(lock) {
  if (Date.now() > lock.expiration) throw new Error("the lock has expired");
}
