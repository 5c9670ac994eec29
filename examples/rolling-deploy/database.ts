// Loaded by the main thread and by the liveness worker of every worker process, as an application's db.ts would be.
import { RedisDatabase, SqliteDatabase } from "../../src/index.js";

const url = process.env["DEPLOY_URL"];
if (url === undefined) throw new Error("DEPLOY_URL must name the store that the fleet shares");

export const db = url.startsWith("sqlite:")
  ? SqliteDatabase.fromUrl(url)
  : new RedisDatabase(url, { prefix: process.env["DEPLOY_PREFIX"] ?? "rolling-deploy:" });
