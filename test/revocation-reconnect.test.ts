// A job may run for hours and ask the store for nothing. Its process's connection is made anew meanwhile.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Locker, PostgresDatabase, RedisDatabase, type Database } from "../src/index.js";
import { fastLimits, fastSettings, newKey, take } from "./support/lockers.js";
import { startPostgres } from "./support/postgres-server.js";
import { startRedis } from "./support/redis-server.js";
import { startProxy } from "./support/tcp-proxy.js";
import { waitUntil, withDeadline } from "./support/wait.js";

type Store = { url: string; port: number } & AsyncDisposable;

const stores: Record<string, [() => Promise<Store>, (url: string) => Database]> = {
  Redis: [startRedis, (url) => new RedisDatabase(url, fastSettings)],
  PostgreSQL: [startPostgres, (url) => new PostgresDatabase(url, fastSettings)],
};

for (const [name, [start, open]] of Object.entries(stores)) {
  test(`${name}: a holder whose connection broke since its grant still hears that its key is asked back`, async () => {
    await using server = await start();
    await using proxy = await startProxy(server.port);
    const url = server.url.replace(`:${server.port}`, `:${proxy.port}`);
    await using holder = new Locker({ database: open(url), ...fastLimits });
    await using other = new Locker({ database: open(server.url), ...fastLimits });
    const lease = await take(holder, newKey());
    proxy.cut();
    const read = () =>
      holder.readHolder(lease.key).then(
        (found) => found?.fencingToken,
        () => undefined,
      );
    await waitUntil(read, lease.fencingToken, { deadlineMs: 5_000, what: "what its next connection finds" });
    const revoking = other.revoke(lease.key, { graceMs: 10_000 });
    if (!lease.signal.aborted) await withDeadline(once(lease.signal, "abort"), 5_000, "the holder's being told");
    await lease.release();
    assert.deepEqual(await revoking, { status: "released" });
  });
}
