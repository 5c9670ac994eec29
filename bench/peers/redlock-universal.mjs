// redlock-universal as its README says: using(), which extends by itself and tells a lost lock by its signal.

import { Redis } from "ioredis";
import { createLock, IoredisAdapter } from "redlock-universal";

export function open({ url, ttlMs, retryMs }) {
  const client = new Redis(url);
  const adapter = new IoredisAdapter(client);
  return {
    async run(key, section) {
      const retries = { retryAttempts: Number.MAX_SAFE_INTEGER, retryDelay: retryMs };
      const lock = createLock({ adapter, key, ttl: ttlMs, ...retries });
      await lock.using((signal) => section({ check: () => throwIfAborted(signal) }));
    },
    close: () => client.quit(),
  };
}

function throwIfAborted(signal) {
  if (signal.aborted) throw signal.error;
}
