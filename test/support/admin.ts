// One client a server, for all that a test asks and orders by the way.

import type { Redis } from "ioredis";
import type { RedisServer } from "./redis-server.js";

const admins = new WeakMap<RedisServer, Redis>();

/** Ends with the server. */
export function admin(server: RedisServer): Redis {
  const client = admins.get(server) ?? server.client();
  admins.set(server, client);
  return client;
}
