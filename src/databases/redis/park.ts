import type { Cluster, Redis } from "ioredis";

/** What of ioredis's inside is needed; where a copy of it looks different, the client is left alone. */
type Inside = {
  status: string;
  stream?: { removeAllListeners(): void; on(event: "error", fn: () => void): void; destroy(): void };
  connector?: { connecting?: boolean };
  offlineQueue?: { length: number };
  commandQueue?: { length: number };
  setStatus?(status: string): void;
};

/** How many microtasks ioredis may take from the start of a connection until it has its stream; it takes one. */
const HOPS_MAX = 20;

/**
 * A module that exports `new RedisDatabase(new Redis(…))` starts a connection by being imported, which nobody may
 * ever use and which would keep the process alive. A client that is still fresh and idle when the code that made it
 * has run is put back to the state that ioredis calls lazy ("wait"): it connects with its first command. A client in
 * use stays as it is.
 */
export function parkFreshClient(client: Redis | Cluster): void {
  if (client.isCluster) return; // its many connections are its own affair: `lazyConnect: true` keeps them unopened
  // Its stream is made in the tick it has asked for before us, and connects in the next poll for events at the soonest.
  if (client.status === "connecting") process.nextTick(() => parkOnceDialled(client as Redis, HOPS_MAX));
}

function parkOnceDialled(client: Redis, hopsLeft: number): void {
  const inside = client as unknown as Inside;
  const { stream, connector } = inside;
  if (inside.status !== "connecting" || isBusy(inside) || isAwaited(client)) return; // lazy, or somebody's
  if (!stream) return hopsLeft > 0 ? queueMicrotask(() => parkOnceDialled(client, hopsLeft - 1)) : undefined;
  if (!inside.setStatus || !connector) return;
  stream.removeAllListeners();
  stream.on("error", () => {}); // it is being destroyed; nobody else listens any more
  stream.destroy();
  connector.connecting = false;
  inside.setStatus("wait");
}

/** The worker's copy of such a client is not wanted; but what its module asked for at load is still answered. */
export function dismissClient(client: Redis | Cluster): void {
  if (isBusy(client as unknown as Inside)) client.quit().catch(() => client.disconnect());
  else client.disconnect();
}

/** Somebody waits to hear that it is connected. */
function isAwaited(client: Redis): boolean {
  const own = { connect: 0, ready: 1, close: 1, end: 0 }; // ioredis listens itself while it connects
  return Object.entries(own).some(([event, count]) => client.listenerCount(event) > count);
}

function isBusy({ offlineQueue, commandQueue }: Inside): boolean {
  return Boolean(offlineQueue?.length) || Boolean(commandQueue?.length);
}
