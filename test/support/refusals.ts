// Bad input: an error that says which option, which value and which rule, and a store that is as it was.

import assert from "node:assert/strict";
import { LockModeError, OptionError } from "../../src/index.js";
import type { SharedRedis } from "./redis-server.js";

/** Looks at what the store holds under the prefix: names, and what tells of leases, queues and waits. */
async function contents({ client }: SharedRedis, prefix: string): Promise<[string, string | undefined][]> {
  const redis = client();
  const names = (await redis.keys(`${prefix}*`)).toSorted();
  const valueOf = async (name: string): Promise<string | undefined> =>
    /^[lqb]:/.test(name.slice(prefix.length)) ? (await redis.dumpBuffer(name))?.toString("hex") : undefined;
  return Promise.all(names.map(async (name) => [name, await valueOf(name)]));
}

/** `message`: of an OptionError all of it, of a LockModeError with the key in its midst. */
export async function assertRefused(
  store: { redis: SharedRedis; prefix: string },
  message: RegExp,
  calls: readonly (() => unknown)[],
): Promise<void> {
  const before = await contents(store.redis, store.prefix);
  assert.ok(before.length > 0, "the store has nothing to compare");
  for (const call of calls) {
    await assert.rejects(
      async () => call(),
      (error) => {
        assert.ok(error instanceof OptionError || error instanceof LockModeError, String(error));
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`${error.option} (`) && error.message.includes(error.rule), error.message);
        return true;
      },
    );
  }
  assert.deepEqual(await contents(store.redis, store.prefix), before, String(message));
}
