// As an application would export it: a live client, loaded by both threads.

import { Redis } from "ioredis";
import { RedisDatabase } from "../../src/index.js";

export const db = new RedisDatabase(new Redis(process.env["BENCH_REDIS_URL"] ?? ""));
