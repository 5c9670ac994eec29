// Faults of a master that sentinels watch, of its replicas, and of the sentinels.

import { admin } from "../support/admin.js";
import type { Sentinel } from "../support/redis-sentinel.js";
import type { SentinelGroup } from "../support/redis-sentinels.js";
import type { RedisServer } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";
import type { FaultTools } from "./backend.js";
import type { FaultKind } from "./kinds.js";
import type { PrimaryWatch } from "./primary-watch.js";
import type { Fault } from "./schedule.js";

type SentinelFault = (group: SentinelGroup, fault: Fault, tools: FaultTools, watch: PrimaryWatch) => Promise<void>;

/** Sentinels that are away themselves may take that long for a decision, ms. After that the fault ends without one. */
const decisionMs = 6_000;
const demotionMs = 4_000;

export const sentinelFaults: Partial<Record<FaultKind, SentinelFault>> = {
  "master-kill": async (_group, { durationMs }, tools, watch) => {
    const master = await masterOf(watch);
    tools.begun();
    await master.kill();
    await untilReplaced(watch, master);
    await tools.wait(durationMs);
    await master.start();
  },
  "master-freeze": async (_group, { durationMs }, tools, watch) => {
    const master = await masterOf(watch);
    await master.freeze();
    tools.begun();
    try {
      await untilReplaced(watch, master);
      await tools.wait(durationMs);
    } finally {
      watch.thawed(master);
      master.thaw();
    }
    const isDemoted = (): boolean => !watch.isMaster(master);
    await waitUntil(isDemoted, true, { deadlineMs: demotionMs, what: "the old master is told" });
  },
  "master-lagging": async (group, { durationMs }, tools, watch) => {
    const master = await masterOf(watch);
    const replicas = group.servers.filter((server) => server !== master && server.pid !== undefined);
    // A password that nobody asks for is refused, so they cannot come back
    for (const replica of replicas) await admin(replica).config("SET", "masterauth", "none");
    try {
      await admin(master).call("CLIENT", "KILL", "TYPE", "replica");
      tools.begun();
      await tools.wait(durationMs);
      await master.kill();
      await untilReplaced(watch, master);
    } finally {
      for (const replica of replicas) await admin(replica).config("SET", "masterauth", "");
    }
    await master.start();
  },
  "failover-asked": async (group, _fault, tools, watch) => {
    const master = await masterOf(watch);
    await group.order(group.sentinels.find(({ isUp }) => isUp));
    tools.begun();
    await untilReplaced(watch, master);
  },
  "replica-kill": async (group, { durationMs, value = 0 }, tools, watch) => {
    const master = await masterOf(watch);
    const replicas = group.servers.filter((server) => server !== master && server.pid !== undefined);
    const replica = replicas[value % replicas.length];
    if (!replica) throw new Error("there is no replica just now");
    tools.begun();
    await replica.kill();
    await tools.wait(durationMs);
    await replica.start();
    // As its configuration would say, had it a file: by itself it comes up as a master.
    await admin(replica).call("REPLICAOF", "127.0.0.1", (await masterOf(watch)).port);
  },
  "sentinel-kill": async ({ sentinels }, { durationMs, value = 0 }, tools) => {
    const sentinel = one(sentinels, value);
    tools.begun();
    await sentinel.kill();
    await tools.wait(durationMs);
    await sentinel.start();
  },
  "sentinel-freeze": async ({ sentinels }, { durationMs, value = 0 }, tools) => {
    const sentinel = one(sentinels, value);
    sentinel.freeze();
    tools.begun();
    await tools.wait(durationMs);
    sentinel.thaw();
  },
};

/** One that was started a moment ago is not known as a master yet. */
export async function masterOf(watch: PrimaryWatch): Promise<RedisServer> {
  const isUp = (server: RedisServer | undefined): boolean => server?.pid !== undefined;
  const master = await waitUntil(() => watch.primary, isUp, { deadlineMs: 500, what: "a master" });
  return master!;
}

function one(sentinels: readonly Sentinel[], value: number): Sentinel {
  const sentinel = sentinels[value % sentinels.length]!;
  if (!sentinel.isUp) throw new Error("that sentinel is down");
  return sentinel;
}

/** Until another one acts as the master, or none does for so long that the fault had better end. */
async function untilReplaced(watch: PrimaryWatch, master: RedisServer): Promise<void> {
  const isReplaced = (): boolean => watch.primary !== undefined && watch.primary !== master;
  await waitUntil(isReplaced, true, { deadlineMs: decisionMs, what: "another master" }).catch(() => undefined);
}
