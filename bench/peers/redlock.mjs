// node-redlock as its README says: using(), which extends by itself and tells a lost lock by its signal.

import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import Redlock from "redlock";

export function open({ url, ttlMs, retryMs }) {
  const client = new Redis(url);
  // It tries once and we wait outside: with its own retries a lock's time counts from the first try, so that one
  // which was waited for longer than the TTL has run out when it is granted, and its signal aborts in every section.
  const redlock = new Redlock([client], { retryCount: 0, automaticExtensionThreshold: ttlMs / 4 });
  return {
    async run(key, section) {
      for (let entered = false; !entered;) {
        const guarded = (signal) => {
          entered = true;
          return section({ check: () => throwIfAborted(signal) });
        };
        try {
          await redlock.using([key], ttlMs, guarded);
        } catch (error) {
          if (entered) throw error;
          await delay(retryMs);
        }
      }
    },
    async cycle(key) {
      const lock = await redlock.acquire([key], ttlMs);
      await lock.release();
    },
    close: () => client.quit(),
  };
}

function throwIfAborted(signal) {
  if (signal.aborted) throw signal.error;
}
