// What is left in the store when nobody works any more.

import { holdersIn } from "./records-seen.js";
import type { Oracle } from "./oracle.js";
import type { SimProcess } from "./process.js";
import { PREFIX } from "./prefix.js";
import type { SimServer } from "./server.js";

export type Remains = {
  readonly oracle: Oracle;
  readonly server: SimServer;
  readonly keys: readonly string[];
  readonly living: readonly SimProcess[];
};

/**
 * S5: nobody holds anything now, so no lease of this era may carry the session of a living process. One that old data
 * brought back counts for nothing.
 */
export function findGhosts({ oracle, server, keys, living }: Remains): void {
  const names = new Map(living.map((process) => [process.pid, process.name]));
  const look = server.look(keys);
  for (const { key, after } of look.changes) {
    for (const { sessionId, leaseId, isKept, era } of holdersIn(after.lease)) {
      if (era !== look.era) continue;
      const record = server.redis.peek(`${PREFIX}s:${sessionId}`);
      const pid = record instanceof Map && !record.has("dead") ? Number(record.get("pid")) : undefined;
      const holder = pid === undefined || isKept ? undefined : names.get(pid);
      if (holder) oracle.report("S5", `${key} is held by ${holder} (${leaseId}), which has no job left`, key);
    }
  }
}

/** Q6: nobody waits for anything now, so no queue may name a living process. */
export function findForgotten({ oracle, server, keys, living }: Remains): void {
  const lockers = new Set(living.map(({ pid }) => oracle.lockerOf(pid)));
  oracle.findForgotten(server.look(keys), (lockerId) => lockers.has(lockerId));
}

/** Every locker has closed. */
export function findLeaks(remains: Remains): void {
  const { oracle, server, keys } = remains;
  for (const { key, after } of server.look(keys).changes) {
    for (const { leaseId, isKept } of holdersIn(after.lease)) {
      if (!isKept) oracle.report("leak", `${key} is still held after every close(): ${leaseId}`, key);
    }
  }
  findForgotten(remains);
}
