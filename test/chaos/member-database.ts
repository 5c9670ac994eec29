// The database of a member process, as a module that both of its threads import. In the worker's thread it also listens
// for orders to fail, which is how a crash of exactly that thread is brought about without a change to the package.

import { BroadcastChannel, isMainThread } from "node:worker_threads";
import { PostgresDatabase, RedisDatabase, SqliteDatabase, TieredDatabase, type Database } from "../../src/index.js";
import { nowMs } from "./journal.js";
import {
  descriptionVariable,
  orderChannel,
  type DatabaseDescription,
  type OrderHeard,
  type PostedOrder,
  type WorkerOrder,
} from "./member-protocol.js";

const description = JSON.parse(process.env[descriptionVariable] ?? "{}") as DatabaseDescription;
export const database: Database = elsewhere(open(description), description.host);

if (!isMainThread) {
  const orders = new BroadcastChannel(orderChannel);
  orders.addEventListener("message", (message) => {
    const order = (message as unknown as { data: PostedOrder }).data;
    // A thread that stood still, or was started meanwhile, would commit a fault that nobody knows of.
    if (nowMs() > order.untilMs) return;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel between threads, no window
    orders.postMessage({ heard: order.id } satisfies OrderHeard);
    setTimeout(() => obey(order), order.inMs); // waits: the order says when
  });
  orders.unref();
}

function open(given: DatabaseDescription): Database {
  if (given.backend === "sqlite") return new SqliteDatabase(given.path, given.settings);
  if (given.backend === "postgres") return new PostgresDatabase(given.url, given.settings);
  if (given.backend === "cluster") return new RedisDatabase(given.source, given.settings);
  if (given.backend === "redis") return new RedisDatabase(given.url, given.settings);
  if (given.backend === "sentinel") return new RedisDatabase(given.source, given.settings);
  if (given.backend === "tiers") {
    const [redis, postgres] = [open(given.redis), open(given.postgres)];
    return new TieredDatabase(redis as RedisDatabase, postgres as PostgresDatabase, given.settings);
  }
  throw new TypeError(`${descriptionVariable}: no such backend`);
}

/** Of one machine the harness makes many: the session's record names another host, and none of the proofs fit. */
function elsewhere(inner: Database, host: string | undefined): Database {
  if (host === undefined) return inner;
  const proofs = { bootId: host, pidNamespace: host, timeNamespace: host, startTime: "" };
  return {
    recoveryMs: inner.recoveryMs,
    openLeases: (context) => inner.openLeases(context),
    openLiveness: (context, events) => {
      const connection = inner.openLiveness(context, events);
      const begin = connection.begin.bind(connection);
      return Object.assign(connection, {
        begin: (request: Parameters<typeof begin>[0]) => begin({ ...request, host, proofs }),
      });
    },
    describe: () => inner.describe(),
    disposeImported: () => inner.disposeImported(),
  };
}

function obey({ what, forMs }: WorkerOrder): void {
  if (what === "throw") throw new Error("chaos: the worker thread was told to fail");
  if (what === "exit") process.exit(1);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}
