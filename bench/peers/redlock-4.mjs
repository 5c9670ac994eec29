// node-redlock 4 as its README says: lock() and unlock(), and extend() whenever more time is needed, which it leaves to
// its user: here a timer at half of the TTL, and a lock that is not extended by its end is lost.

import { Redis } from "ioredis";
import Redlock from "redlock-4";

/** Of its README; the package has no TTL of its own. */
export const defaults = {
  ttlMs: 1_000,
  retryMs: 200,
  phasesMs: 500,
  say: "TTL 1 s, a look every 200 to 400 ms: its README; extended every 500 ms by a timer of ours, it has none",
};

/** Where it writes down who holds the key. */
export function recordOf(key) {
  return key;
}

export function open({ url, ttlMs = defaults.ttlMs, retryMs = defaults.retryMs }) {
  const client = new Redis(url);
  const redlock = new Redlock([client], { retryDelay: retryMs, retryJitter: retryMs });
  return {
    async run(key, section) {
      const lock = await redlock.lockWithOptions(key, ttlMs, { retryCount: -1 });
      const extended = keepExtended(lock, ttlMs);
      try {
        await section({ signal: extended.signal, check: () => extended.signal.throwIfAborted() });
      } finally {
        extended.stop();
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

function keepExtended(lock, ttlMs) {
  const lost = new AbortController();
  const extender = setInterval(() => {
    lock.extend(ttlMs).then(expect, () => {}); // the alarm tells
  }, ttlMs / 2);
  let alarm;
  const expect = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => lost.abort(new Error("the lock has expired")), lock.expiration - Date.now());
  };
  const stop = () => {
    clearInterval(extender);
    clearTimeout(alarm);
  };
  expect();
  lost.signal.addEventListener("abort", stop);
  return { signal: lost.signal, stop };
}
