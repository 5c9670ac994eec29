// redlock-universal as its README says: using(), which extends by itself and tells a lost lock by its signal.

import { Redis } from "ioredis";
import { createLock, IoredisAdapter } from "redlock-universal";

/** Of the package. */
export const defaults = {
  ttlMs: 30_000,
  retryMs: 100,
  phasesMs: 24_000,
  say: "TTL 30 s, extended when four fifths of it are over, a look every 100 ms: its defaults",
};

/** Where it writes down who holds the key. */
export function recordOf(key) {
  return key;
}

export function open({ url, ttlMs = defaults.ttlMs, retryMs = defaults.retryMs }) {
  const client = new Redis(url);
  const adapter = new IoredisAdapter(client);
  const retries = { retryAttempts: Number.MAX_SAFE_INTEGER, retryDelay: retryMs };
  return {
    async run(key, section) {
      const lock = createLock({ adapter, key, ttl: ttlMs, ...retries });
      await lock.using((signal) => section(guardOf(signal)));
    },
    async cycle(key) {
      const lock = createLock({ adapter, key, ttl: ttlMs, ...retries });
      await lock.release(await lock.acquire());
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
