// Counts what a heartbeat costs, alone in a process, started with --expose-gc and room for all that a count allocates.
// Each loop is written out, or the compiler would make one for all that is called in it, slower and larger than each.
// Argument: the URL of the store.

import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { Locker } from "../../src/index.js";
import { serveChild } from "../../test/support/child.js";
import { nowMs } from "./bed.js";
import type { HeartbeatRound } from "./heartbeat-processes.js";

/** Those of this thread: the worker pings on its own, however often a job beats. */
const sockets: Socket[] = [];
subscribe("net.client.socket", (message) => void sockets.push((message as { socket: Socket }).socket));

const locker = new Locker({ database: process.argv[2] ?? "" });
const result = await locker.acquire("heartbeat");
if (!("lease" in result)) throw new Error("the key is held");
const { heartbeat } = result.lease;
const settled = Promise.resolve();
const settledAlready = (): Promise<void> => settled;
const doNothing = async (): Promise<void> => {};

async function awaitHeartbeats(calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) await heartbeat();
}

async function awaitNothing(calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) await settledAlready();
}

async function awaitFunctions(calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) await doNothing();
}

function writtenBytes(): number {
  if (sockets.length === 0) throw new Error("no connection was seen");
  return sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
}

type Loop = (calls: number) => unknown;

async function nsOf(loop: Loop, calls: number): Promise<number> {
  const startedMs = nowMs();
  await loop(calls);
  return ((nowMs() - startedMs) * 1e6) / calls;
}

async function bytesOf(loop: Loop, calls: number): Promise<number> {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  await loop(calls);
  return (process.memoryUsage().heapUsed - before) / calls;
}

async function round(callsTimed: number, callsWeighed: number): Promise<HeartbeatRound> {
  const before = writtenBytes();
  const ns = await nsOf(awaitHeartbeats, callsTimed);
  return {
    ns,
    written: writtenBytes() - before,
    floorNs: await nsOf(awaitFunctions, callsTimed),
    awaitNs: await nsOf(awaitNothing, callsTimed),
    bytes: await bytesOf(awaitHeartbeats, callsWeighed),
    floorBytes: await bytesOf(awaitFunctions, callsWeighed),
    awaitBytes: await bytesOf(awaitNothing, callsWeighed),
  };
}

serveChild({ round });
