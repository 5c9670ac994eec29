// redlock-universal as its README says: using(), which extends by itself and tells a lost lock by its signal.

import { Redis } from "ioredis";
import { createLock, IoredisAdapter } from "redlock-universal";

export function open({ url, ttlMs, retryMs }) {
  const client = new Redis(url);
  const adapter = new IoredisAdapter(client);
  const retries = { retryAttempts: Number.MAX_SAFE_INTEGER, retryDelay: retryMs };
  return {
    async run(key, section) {
      const lock = createLock({ adapter, key, ttl: ttlMs, ...retries });
      await lock.using((signal) => section({ check: () => throwIfAborted(signal) }));
    },
    async cycle(key) {
      const lock = createLock({ adapter, key, ttl: ttlMs, ...retries });
      await lock.release(await lock.acquire());
    },
    close: () => client.quit(),
  };
}

function throwIfAborted(signal) {
  if (signal.aborted) throw signal.error;
}
