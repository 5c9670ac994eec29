// node-redlock as its README says: using(), which extends by itself and tells a lost lock by its signal.

import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import Redlock from "redlock";

/** Of its README; the package has no TTL of its own. */
export const defaults = {
  ttlMs: 5_000,
  retryMs: 200,
  phasesMs: 4_500,
  say: "TTL 5 s, extended 500 ms before its end, a look every 200 ms: its README",
};

/** Where it writes down who holds the key. */
export function recordOf(key) {
  return key;
}

export function open({ url, ttlMs = defaults.ttlMs, retryMs = defaults.retryMs }) {
  const client = new Redis(url);
  const redlock = new Redlock([client]);
  // It tries once and we wait outside: with its own retries a lock's time counts from the first try, so that one
  // which was waited for longer than the TTL has run out when it is granted, and its signal aborts in every section.
  const once = { retryCount: 0 };
  return {
    async run(key, section) {
      for (let entered = false; !entered;) {
        const guarded = (signal) => {
          entered = true;
          return section(guardOf(signal));
        };
        try {
          await redlock.using([key], ttlMs, once, guarded);
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

function guardOf(signal) {
  return {
    check() {
      if (signal.aborted) throw signal.error;
    },
    onLost: (listener) => signal.addEventListener("abort", listener),
  };
}
