// Faults on the connections of one member: what its proxy does.

import type { TcpProxy } from "../support/tcp-proxy.js";
import type { FaultTools } from "./backend.js";
import { duplicateCalls, isScriptCall, isStatement } from "./duplicates.js";
import { dropPackets } from "./kernel-faults.js";
import type { FaultKind } from "./kinds.js";
import type { Fault } from "./schedule.js";

/** Retransmission and jitter are the only things here that chance decides while the schedule runs. */
const lossRate = 0.2;

type LinkFault = (proxy: TcpProxy, fault: Fault, tools: FaultTools, random: () => number) => Promise<void>;

export const linkFaults: Partial<Record<FaultKind, LinkFault>> = {
  latency: (proxy, { value = 50, durationMs }, tools, random) =>
    during(
      tools,
      durationMs,
      () => proxy.latency(value, value / 2, random),
      () => proxy.latency(0),
    ),
  cut: async (proxy, _fault, tools) => {
    tools.begun();
    proxy.cut();
  },
  refuse: async (proxy, { durationMs }, tools) => {
    tools.begun();
    proxy.refuse();
    proxy.cut();
    await tools.wait(durationMs);
    await proxy.accept();
  },
  "half-open-up": (proxy, { durationMs }, tools) =>
    heals(proxy, durationMs, tools, () => proxy.blackhole({ up: true })),
  "half-open-down": (proxy, { durationMs }, tools) =>
    heals(proxy, durationMs, tools, () => proxy.blackhole({ down: true })),
  "half-open-both": (proxy, { durationMs }, tools) => heals(proxy, durationMs, tools, () => proxy.blackhole()),
  hold: (proxy, { durationMs }, tools) => heals(proxy, durationMs, tools, () => proxy.hold()),
  loss: (proxy, { durationMs }, tools, random) =>
    during(
      tools,
      durationMs,
      () => proxy.lose(lossRate, random),
      () => proxy.lose(0),
    ),
  "packet-loss": async (proxy, { durationMs }, tools) => {
    const stop = await dropPackets(proxy.ports, lossRate * 100);
    try {
      tools.begun();
      await tools.wait(durationMs);
    } finally {
      await stop();
    }
  },
  "reply-cut": async (proxy, { value = 1, durationMs }, tools) => {
    tools.begun();
    const cut = proxy.cutAfterReplyBytes(value);
    await Promise.race([cut, tools.wait(durationMs)]);
    proxy.disarm();
  },
  "lost-reply": async (proxy, { durationMs }, tools) => {
    tools.begun();
    const lost = proxy.cutAfterRequest((chunk) => isScriptCall(chunk) || isStatement(chunk));
    await Promise.race([lost, tools.wait(durationMs)]);
    proxy.disarm();
  },
  duplicate: async (proxy, { durationMs }, tools, random) => {
    tools.begun();
    const stop = duplicateCalls(proxy, () => random() < 0.5);
    await tools.wait(durationMs);
    stop();
  },
  zombie: async (proxy, { durationMs }, tools) => {
    tools.begun();
    proxy.hold({ up: true });
    await tools.wait(durationMs / 4);
    proxy.detach();
    proxy.heal();
    await tools.wait((durationMs * 3) / 4);
    await proxy.deliverDetached();
  },
};

async function during(tools: FaultTools, durationMs: number, begin: () => void, end: () => void): Promise<void> {
  tools.begun();
  begin();
  await tools.wait(durationMs);
  end();
}

function heals(proxy: TcpProxy, durationMs: number, tools: FaultTools, begin: () => void): Promise<void> {
  return during(tools, durationMs, begin, () => proxy.heal());
}

/** Ends every fault of the link. What dead connections had sent arrives now, or not at all. */
export async function healLink(proxy: TcpProxy): Promise<void> {
  proxy.disarm();
  proxy.latency(0);
  proxy.lose(0);
  proxy.heal();
  await proxy.accept();
  await proxy.deliverDetached();
}
