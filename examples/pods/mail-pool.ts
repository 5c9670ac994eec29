// A mail server that bears three connections: permits for all pods, and no pod takes more than two.
// `npm start mail-pool`
import { setTimeout as delay } from "node:timers/promises";
import { Locker } from "../../src/index.js"; // "pulselock" in an application
import { say } from "./say.js";

const permits = { limit: 3, perProcess: 2 };

await using locker = new Locker({ database: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379" });

async function send(mail: number): Promise<void> {
  say(`mail ${mail}: sending`);
  await delay(200);
  say(`mail ${mail}: sent`);
}

// All at once: each waits for its permit, first come, first served among the pods.
await Promise.all([1, 2, 3, 4, 5].map((mail) => locker.mutex("mail-server", () => send(mail), { permits })));
