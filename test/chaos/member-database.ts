// The database of a member process, as a module that both of its threads import. In the worker's thread it also listens
// for orders to fail, which is how a crash of exactly that thread is brought about without a change to the package.

import { BroadcastChannel, isMainThread } from "node:worker_threads";
import { RedisDatabase, type Database } from "../../src/index.js";
import { descriptionVariable, orderChannel, type DatabaseDescription, type WorkerOrder } from "./member-protocol.js";

export const database: Database = open(JSON.parse(process.env[descriptionVariable] ?? "{}") as DatabaseDescription);

if (!isMainThread) {
  const orders = new BroadcastChannel(orderChannel);
  orders.addEventListener("message", (message) => {
    const order = (message as unknown as { data: WorkerOrder }).data;
    setTimeout(() => obey(order), order.inMs); // waits: the order says when
  });
  orders.unref();
}

function open({ backend, url, settings }: DatabaseDescription): Database {
  if (backend !== "redis") throw new TypeError(`${descriptionVariable}: no backend is called ${String(backend)}`);
  return new RedisDatabase(url, settings);
}

function obey({ what, forMs }: WorkerOrder): void {
  if (what === "throw") throw new Error("chaos: the worker thread was told to fail");
  if (what === "exit") process.exit(1);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}
