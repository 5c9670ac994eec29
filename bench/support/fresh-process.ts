// A process that does one thing as soon as it is loaded, and then says how long that took. What it needs is loaded
// while the clock runs, and nothing before.
// Arguments: what it is to do, the URL of the store, the key, a peer's module.

import { subscribe } from "node:diagnostics_channel";
import { serveChild } from "../../test/support/child.js";
import type { Events } from "../../src/index.js";
import type { SubjectModule } from "../recipes/subject.js";
import type { FirstTry } from "./fresh-processes.js";

const [kind = "", url = "", key = "", module = ""] = process.argv.slice(2);
let takenFor = "";
subscribe("pulselock:granted", (message) => {
  takenFor = (message as Events["granted"]).takenFrom?.reason ?? "";
});

/** CLOCK_MONOTONIC, as systemClock has it, which would bring a part of what is measured along. */
const hostMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Loads what the locker needs, and returns what takes its first lock. */
const kinds: Record<string, () => Promise<() => Promise<string>>> = {
  locker: async () => {
    const { Locker } = await import("../../src/index.js");
    return async () => (await new Locker({ database: url }).acquire(key)).status;
  },
  warm: async () => {
    const { Locker } = await import("../../src/index.js");
    const locker = new Locker({ database: url });
    await locker.warmUp();
    return async () => (await locker.acquire(key)).status;
  },
  /** The least that anybody needs for a lock: a connection, and one command on it. */
  bare: async () => {
    const { Redis } = await import("ioredis");
    return async () => String(await new Redis(url).set(key, "token", "PX", 300_000, "NX"));
  },
  peer: async () => {
    const peer = (await import(module)) as SubjectModule;
    return async () => {
      const subject = await peer.open({ url, ttlMs: 300_000, retryMs: 10 });
      return new Promise((resolve, reject) => {
        subject
          .run(key, () => {
            resolve("OK");
            return new Promise(() => {}); // held: what release costs is another question
          })
          .catch(reject);
      });
    };
  },
};

const startedMs = hostMs();
const take = await kinds[kind]!();
const calledMs = hostMs();
const status = await take();
const outcome: FirstTry = { startedMs, calledMs, answeredMs: hostMs(), status, takenFor };

serveChild({ outcome: () => outcome });
