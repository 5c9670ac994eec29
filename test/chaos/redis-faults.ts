// Faults that a Redis can be told to commit, over a connection of the harness's own.

import type { Redis } from "ioredis";
import type { RedisServer } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";
import type { FaultTools } from "./backend.js";
import type { SteppedClock } from "./clock-shim.js";
import type { FaultKind } from "./kinds.js";
import type { Fault } from "./schedule.js";

type Order = (client: Redis, fault: Fault, tools: FaultTools) => Promise<void>;

export const redisOrders: Partial<Record<FaultKind, Order>> = {
  "store-sleep": async (client, { durationMs }, tools) => {
    const slept = client.call("DEBUG", "SLEEP", (durationMs / 1_000).toFixed(3));
    tools.begun();
    await Promise.race([slept, tools.wait(durationMs + 200)]);
  },
  "store-pause": (client, { durationMs }, tools) => pause(client, durationMs, "ALL", tools),
  "store-pause-writes": (client, { durationMs }, tools) => pause(client, durationMs, "WRITE", tools),
  flushall: async (client, _fault, tools) => {
    await client.flushall();
    tools.begun();
  },
  "kill-clients": async (client, _fault, tools) => {
    const own = await client.client("ID");
    const ids = [...((await client.client("LIST")) as string).matchAll(/^id=(\d+)/gm)].map(([, id]) => id!);
    const others = ids.filter((id, i) => i % 2 === 0 && id !== String(own));
    for (const id of others) await client.call("CLIENT", "KILL", "ID", id);
    tools.begun();
  },
  "kill-subscribers": async (client, _fault, tools) => {
    await client.call("CLIENT", "KILL", "TYPE", "pubsub");
    tools.begun();
  },
  "script-flush": async (client, { durationMs }, tools) => {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= 50) {
      await client.script("FLUSH");
      if (leftMs === durationMs) tools.begun();
      await tools.wait(50);
    }
  },
  maxmemory: async (client, { durationMs }, tools) => {
    await client.config("SET", "maxmemory", "1mb");
    tools.begun();
    await tools.wait(durationMs);
    await client.config("SET", "maxmemory", "0");
  },
  "busy-script": async (client, { durationMs }, tools) => {
    // A connection of its own: this one has to say when the script is to end.
    const other = client.duplicate({ maxRetriesPerRequest: 0, retryStrategy: null });
    other.on("error", () => undefined);
    try {
      const ended = other.eval("while true do end", 0).catch(() => undefined);
      tools.begun();
      await tools.wait(durationMs);
      await endScript(client);
      await ended;
    } finally {
      other.disconnect();
    }
  },
};

export async function freeze(server: RedisServer, { durationMs }: Fault, tools: FaultTools): Promise<void> {
  if (server.pid === undefined) throw new Error("the store is down");
  await server.freeze();
  tools.begun();
  await tools.wait(durationMs);
  server.thaw();
}

export async function step(
  clock: SteppedClock | undefined,
  { durationMs, value = 0 }: Fault,
  tools: FaultTools,
): Promise<void> {
  if (!clock) throw new Error("no clock shim");
  clock.set(value);
  tools.begun();
  await tools.wait(durationMs);
  clock.set(0);
}

/** SCRIPT KILL until none runs: one is killed a moment after the order. */
export async function endScript(client: Redis): Promise<void> {
  const isOver = async (): Promise<boolean> =>
    client.script("KILL").then(
      () => false,
      (error: Error) => error.message.includes("NOTBUSY"),
    );
  await waitUntil(isOver, true, { deadlineMs: 5_000, what: "the end of the script" });
}

async function pause(client: Redis, durationMs: number, what: "ALL" | "WRITE", tools: FaultTools): Promise<void> {
  await client.call("CLIENT", "PAUSE", durationMs, what);
  tools.begun();
  await tools.wait(durationMs);
}
