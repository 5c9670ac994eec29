// Faults that change who serves what in a cluster. Each ends with a whole one: three masters, each with its replica.

import { BUS, NODE_TIMEOUT_MS, type RedisCluster } from "../support/redis-cluster.js";
import type { FaultTools } from "./backend.js";
import { isolate } from "./kernel-faults.js";
import type { FaultKind } from "./kinds.js";
import type { Fault } from "./schedule.js";

const peers = "127.0.1.0/24";

/** From where the node with that index connects to the others, which is what tells it from their clients. */
export function addressOf(index: number): string {
  return `127.0.1.${index + 1}`;
}

/** `shard`: a name in its slot. */
export type ClusterChange = (cluster: RedisCluster, shard: string, fault: Fault, tools: FaultTools) => Promise<void>;

/** So long a node may be deaf without being replaced, ms. */
export const shortMsMax = NODE_TIMEOUT_MS / 2;

export const clusterChanges: Partial<Record<FaultKind, ClusterChange>> = {
  "cluster-kill": async (cluster, shard, { durationMs }, tools) => {
    const owner = await cluster.ownerOf(shard);
    tools.begun();
    await owner.kill();
    await cluster.untilReplaced(shard, owner);
    await tools.wait(durationMs);
    await owner.start();
    await cluster.untilWhole();
  },
  "cluster-failover": async (cluster, shard, _fault, tools) => {
    const owner = await cluster.ownerOf(shard);
    await cluster.order(owner);
    tools.begun();
    await cluster.untilReplaced(shard, owner);
    await cluster.untilWhole();
  },
  "cluster-freeze": async (cluster, shard, { durationMs }, tools) => {
    const owner = await cluster.ownerOf(shard);
    tools.begun();
    await cluster.freeze(owner);
    await cluster.untilReplaced(shard, owner);
    await tools.wait(durationMs);
    cluster.thaw(owner);
    await cluster.untilWhole();
  },
  "cluster-split": async (cluster, shard, { durationMs }, tools) => {
    const owner = await cluster.ownerOf(shard);
    const address = addressOf(cluster.nodes.indexOf(owner));
    const rejoin = await isolate({ address, ports: [owner.port, owner.port + BUS], peers });
    try {
      tools.begun();
      await cluster.untilReplaced(shard, owner);
      await tools.wait(durationMs);
    } finally {
      await rejoin();
    }
    await cluster.untilWhole();
  },
  "cluster-empty": async (cluster, shard, { durationMs }, tools) => {
    const owner = await cluster.ownerOf(shard);
    tools.begun();
    await owner.kill();
    await tools.wait(durationMs);
    await owner.restart({ keepData: false });
    await cluster.untilWhole();
  },
  "slot-move": async (cluster, shard, fault, tools) => {
    tools.begun();
    await cluster.moveSlot(shard, {
      ...orderOf(fault),
      each: (keys) => tools.wait(fault.durationMs / keys),
    });
    await cluster.untilWhole();
  },
  "slot-half": async (cluster, shard, fault, tools) => {
    tools.begun();
    await cluster.moveSlot(shard, { ...orderOf(fault), half: () => tools.wait(fault.durationMs) });
    await cluster.untilWhole();
  },
  "store-freeze": async (cluster, shard, { durationMs }, tools) => {
    const owner = await cluster.ownerOf(shard);
    await cluster.freeze(owner);
    tools.begun();
    await tools.wait(Math.min(durationMs, shortMsMax));
    cluster.thaw(owner);
  },
};

/** With the namespace's record first every session is stuck from the beginning; else some are, for a while. */
function orderOf({ value = 0 }: Fault): { isFirst?: (name: string) => boolean } {
  return value < 2 ** 15 ? {} : { isFirst: () => false };
}
