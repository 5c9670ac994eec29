// node-redlock 4 as its README says: lock() and unlock(), and extend() for whoever needs more time. When to extend it
// leaves to its user: here it is at half of the TTL, and a lock that reaches its end unextended is lost.

import { Redis } from "ioredis";
import Redlock from "redlock-4";

/** Of its README; the package has no TTL of its own. */
export const defaults = {
  ttlMs: 1_000,
  retryMs: 200,
  phasesMs: 500,
  say: "TTL 1 s, a look every 200 to 400 ms: its README; extended every 500 ms by a timer of ours, since it has none",
};

/** Where it writes down who holds the key. */
export function recordOf(key) {
  return key;
}

export function open({ url, ttlMs = defaults.ttlMs, retryMs = defaults.retryMs }) {
  const client = new Redis(url);
  const redlock = new Redlock([client], { retryDelay: retryMs, retryJitter: retryMs });
  const lockPatiently = (key) => redlock.lockWithOptions(key, ttlMs, { retryCount: -1 });
  return {
    async run(key, section) {
      const lock = await lockPatiently(key);
      const extender = new Extender(lock, ttlMs);
      try {
        await section({ check: () => throwIfExpired(lock), onLost: (listener) => extender.onLost(listener) });
      } finally {
        extender.stop();
        await lock.unlock();
      }
    },
    async cycle(key) {
      const lock = await lockPatiently(key);
      await lock.unlock();
    },
    close: () => client.quit(),
  };
}

class Extender {
  #timer;
  #alarm;
  #tell = () => {};

  constructor(lock, ttlMs) {
    this.#timer = setInterval(() => this.#extend(lock, ttlMs), ttlMs / 2);
    this.#expectEnd(lock);
  }

  onLost(listener) {
    this.#tell = listener;
  }

  stop() {
    clearInterval(this.#timer);
    clearTimeout(this.#alarm);
  }

  async #extend(lock, ttlMs) {
    try {
      await lock.extend(ttlMs);
      this.#expectEnd(lock);
    } catch {
      // Not extended: its end comes when it was due.
    }
  }

  #expectEnd(lock) {
    clearTimeout(this.#alarm);
    this.#alarm = setTimeout(() => this.#tell(), lock.expiration - Date.now());
  }
}

function throwIfExpired(lock) {
  if (Date.now() > lock.expiration) throw new Error("the lock has expired");
}
