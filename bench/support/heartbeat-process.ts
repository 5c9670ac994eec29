// Counts what a heartbeat costs, alone in a process, started with --expose-gc and room for all that a count allocates.
// Each loop is written out, or the compiler would make one for all that is called in it, slower and larger than each.
// Argument: the URL of the store.

import { Locker } from "../../src/index.js";
import { serveChild } from "../../test/support/child.js";
import { nowMs } from "./bed.js";
import type { HeartbeatRound } from "./heartbeat-processes.js";

const locker = new Locker({ database: process.argv[2] ?? "" });
const result = await locker.acquire("heartbeat");
if (!("lease" in result)) throw new Error("the key is held");
const { heartbeat } = result.lease;
const settled = Promise.resolve();
const settledAlready = (): Promise<void> => settled;

async function awaitHeartbeats(calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) await heartbeat();
}

async function awaitNothing(calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) await settledAlready();
}

function callHeartbeats(calls: number): void {
  for (let i = 0; i < calls; i++) void heartbeat();
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
  return {
    ns: await nsOf(awaitHeartbeats, callsTimed),
    floorNs: await nsOf(awaitNothing, callsTimed),
    bytes: await bytesOf(awaitHeartbeats, callsWeighed),
    floorBytes: await bytesOf(awaitNothing, callsWeighed),
    plainBytes: await bytesOf(callHeartbeats, callsWeighed),
  };
}

serveChild({ round });
