// Loaded by the main thread and by the liveness worker of every worker process, as an application's db.ts would be.
import { RedisDatabase } from "../../src/index.js";

const url = process.env["DEPLOY_REDIS_URL"];
if (url === undefined) throw new Error("DEPLOY_REDIS_URL must name the Redis that the fleet shares");

export const db = new RedisDatabase(url, { prefix: process.env["DEPLOY_PREFIX"] ?? "rolling-deploy:" });
