// What members have left in a Redis.

import type { Redis } from "ioredis";
import { entriesIn, holdersIn, lockerOf, type Stored } from "../simulator/records-seen.js";
import type { StoredHolder } from "./backend.js";

/** Leases of sessions that are not condemned; those that are only kept for a while are nobody's. */
export async function readHolders(client: Redis, prefix: string): Promise<StoredHolder[]> {
  const leases = await client.keys(`${prefix}l:*`);
  const holders = leases.map(async (name): Promise<StoredHolder[]> => {
    const key = name.slice(`${prefix}l:`.length);
    const held = holdersIn(await readAny(client, name)).filter(({ isKept }) => !isKept);
    const stored = held.map(async ({ sessionId, token }): Promise<StoredHolder[]> => {
      const [pid, dead] = await client.hmget(`${prefix}s:${sessionId}`, "pid", "dead");
      return pid && !dead ? [{ key, token, session: sessionId, pid: Number(pid) }] : [];
    });
    return (await Promise.all(stored)).flat();
  });
  return (await Promise.all(holders)).flat();
}

/**
 * When every locker has closed: no lease, no place in a queue but those of the killed, who have left their sessions
 * behind, or of an older era, which old data may bring back and whoever comes by drops; and nothing that stays for ever
 * but the namespace.
 */
export async function readLeftovers(client: Redis, prefix: string): Promise<string[]> {
  const names = await client.keys("*");
  return leftoversAmong(client, prefix, names, lockersIn(names, prefix));
}

/** Those whose sessions have records among the names: when all others have closed, the killed. */
export function lockersIn(names: readonly string[], prefix: string): Set<string> {
  const sessions = names.filter((name) => name.startsWith(`${prefix}s:`));
  return new Set(sessions.map((name) => lockerOf(name.slice(`${prefix}s:`.length))));
}

export async function leftoversAmong(
  client: Redis,
  prefix: string,
  names: readonly string[],
  killed: ReadonlySet<string>,
): Promise<string[]> {
  const found: string[] = [];
  const era = await client.hget(`${prefix}n`, "era");
  for (const name of names) {
    if (name.startsWith(`${prefix}l:`)) {
      const stored = await readAny(client, name);
      if (!isPoolOf(stored, killed)) found.push(`${name} = ${JSON.stringify(asJson(stored))}`);
    } else if (name.startsWith(`${prefix}q:`)) {
      const places = entriesIn(await readAny(client, name)).filter((entry) => entry.era === era);
      const left = places.filter(({ leaseId }) => !killed.has(lockerOf(leaseId)));
      found.push(...left.map(({ leaseId }) => `${name}: a place of ${leaseId}`));
    } else if (name.startsWith(`${prefix}b:`)) {
      if (!killed.has(lockerOf(name.slice(`${prefix}b:`.length)))) found.push(`${name} says that a task waits`);
    } else if (name !== `${prefix}n` && (await client.pttl(name)) < 0) found.push(`${name} lives for ever`);
  }
  return found;
}

/** Permits of the killed stay until somebody wants more than are left, or their lock TTL ends. */
function isPoolOf(stored: Stored, lockers: ReadonlySet<string>): boolean {
  const isPool = stored instanceof Map && stored.get("mode") === "p";
  return isPool && holdersIn(stored).every(({ sessionId }) => lockers.has(lockerOf(sessionId)));
}

async function readAny(client: Redis, name: string): Promise<Stored> {
  if ((await client.type(name)) === "hash") return new Map(Object.entries(await client.hgetall(name)));
  return (await client.get(name)) ?? undefined;
}

function asJson(stored: Stored): unknown {
  return stored instanceof Map ? [...stored] : stored;
}
