// Cron on every pod: the clock of each one starts the job, and one of them runs it. `npm start cron`
import { setTimeout as delay } from "node:timers/promises";
import { Locker, LockStatus } from "../../src/index.js"; // "pulselock" in an application
import { say } from "./say.js";

const INTERVAL_MS = 3_000;
/** How late this pod's clock is. */
const SKEW_MS = (process.pid % 3) * 250;

await using locker = new Locker({ database: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379" });

for (let runs = 0; runs < 3; runs++) {
  const tick = Math.ceil(Date.now() / INTERVAL_MS);
  await delay(tick * INTERVAL_MS - Date.now() + SKEW_MS);
  // Without minHoldMs a pod whose clock is late would find the key free again, and run the job a second time.
  const options = { minHoldMs: INTERVAL_MS / 2, trace: `tick ${tick}` };
  const outcome = await locker.acquireAndRun("report", () => say(`tick ${tick}: runs the job`), options);
  if (outcome.status === LockStatus.SOMEONE_ELSE_HOLDS_LOCK) {
    // A process that has ended is not known any more; what it ran is.
    say(`tick ${tick}: ${outcome.holder.pid || "a pod that has ended"} ran or runs ${outcome.holder.trace}`);
  }
}
