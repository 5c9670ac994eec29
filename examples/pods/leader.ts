// Leader election: of all pods one schedules; when it stops, or dies, the next one does. `npm start leader`
import { Locker } from "../../src/index.js"; // "pulselock" in an application
import { lead } from "../../src/recipes/index.js"; // "pulselock/recipes"
import { say } from "./say.js";

await using locker = new Locker({ database: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379" });

const stop = new AbortController();
await lead(
  locker,
  "scheduler",
  async (heartbeat, { fencingToken }) => {
    say(`leads with token ${fencingToken}`);
    for (let round = 1; round <= 3; round++) {
      say(`schedules round ${round}`);
      await heartbeat.delay(200); // throws when this pod leads no more
    }
    say("stops");
    stop.abort(); // an application would lead on until SIGTERM
  },
  { signal: stop.signal },
);
