// A process that does one thing as soon as it is loaded, and then says how long that took.
// Arguments: "locker" or "bare", the URL of the store, the key.

import { subscribe } from "node:diagnostics_channel";
import { Redis } from "ioredis";
import { systemClock } from "../../src/clock.js";
import { Locker, type Events } from "../../src/index.js";
import { serveChild } from "../../test/support/child.js";
import type { FirstTry } from "./fresh-processes.js";

const [kind, url = "", key = ""] = process.argv.slice(2);
let takenFor = "";
subscribe("pulselock:granted", (message) => {
  takenFor = (message as Events["granted"]).takenFrom?.reason ?? "";
});
const calledMs = systemClock.monoMs();
const status = kind === "bare" ? await setBare() : (await new Locker({ database: url }).acquire(key)).status;
const outcome: FirstTry = { calledMs, answeredMs: systemClock.monoMs(), status, takenFor };

serveChild({ outcome: () => outcome });

/** The least that anybody needs for a lock: a connection, and one command on it. */
async function setBare(): Promise<string> {
  return String(await new Redis(url).set(key, "token", "PX", 300_000, "NX"));
}
