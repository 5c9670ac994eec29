// The process that holds, waits, drains and dies in the measurements: a locker that does what processes.ts asks for.

import { subscribe } from "node:diagnostics_channel";
import { systemClock } from "../../src/clock.js";
import { Locker, LockError, type Events, type Heartbeat, type Lease, type LockerOptions } from "../../src/index.js";
import { serveChild } from "../../test/support/child.js";
import { Board } from "./board.js";
import type { Grant, Loss } from "./processes.js";

const busy = new Board<true>();
const granted = new Board<Grant>();
const lost = new Board<Loss>();
const reasons = new Map<string, string>();
let locker: Locker;

subscribe("pulselock:busy", (message) => busy.post((message as Events["busy"]).key, true));

subscribe("pulselock:granted", (message) => {
  const { key, takenFrom } = message as Events["granted"];
  reasons.set(key, takenFrom?.reason ?? "");
});

/** A job as people write them: it beats and sleeps for as long as it is allowed to. */
async function work(key: string): Promise<void> {
  await locker.acquireAndRun(key, async (heartbeat, lease) => {
    note(key, lease);
    for (;;) await heartbeat.delay(20);
  });
}

/** Not at once over: the old holder has to find somebody, who took its key from it. */
async function workBriefly(key: string, heartbeat: Heartbeat, lease: Lease): Promise<void> {
  note(key, lease);
  await heartbeat.delay(200);
}

function note(key: string, lease: Lease): void {
  granted.post(key, { atMs: systemClock.monoMs(), takenFor: reasons.get(key) ?? "" });
  lease.signal.addEventListener("abort", () => {
    const reason: unknown = lease.signal.reason;
    lost.post(key, { atMs: systemClock.monoMs(), code: reason instanceof LockError ? reason.code : String(reason) });
  });
}

async function holdIdle(count: number): Promise<void> {
  const all = Array.from({ length: count }, async (_, index) => {
    const result = await locker.acquire(`idle-${index}`);
    if (!("lease" in result)) throw new Error(`idle-${index} is held by ${result.holder.sessionId}`);
    return result.lease;
  });
  const leases = await Promise.all(all);
  setInterval(() => {
    for (const lease of leases) void lease.heartbeat(); // a loss ends this process, and the measurement with it
  }, 1_000);
}

serveChild({
  open: (options: LockerOptions) => {
    locker = new Locker(options);
  },
  hold: (key: string) => Promise.race([granted.read(key), work(key).then(() => Promise.reject(new Error("ended")))]),
  startWaiting: (key: string, waitMs: number) => {
    const waited = locker.mutex(key, (heartbeat, lease) => workBriefly(key, heartbeat, lease), { waitMs });
    return Promise.race([busy.read(key), waited.then(() => Promise.reject(new Error(`${key} was free`)))]);
  },
  granted: (key: string) => granted.read(key),
  lost: (key: string) => lost.read(key),
  holdIdle,
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
});
