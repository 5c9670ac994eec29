// What most tests of the public surface begin with, once for each file.

import { after } from "node:test";
import type { Locker, LockerOptions } from "../../src/index.js";
import { newKey, newPrefix, openLocker } from "./lockers.js";
import { sharedRedis, type SharedRedis } from "./redis-server.js";

type FileLockers<All> = { redis: SharedRedis; prefix: string; lockers: { -readonly [Index in keyof All]: Locker } };

/**
 * A Redis, a namespace of this file's own and a locker for each of the options; all closed after the file's last test.
 * Each has run a job, so that no test pays the namespace's recovery window or finds its first records written.
 */
export async function lockersForFile<const All extends readonly Partial<LockerOptions>[]>(
  ...options: All
): Promise<FileLockers<All>> {
  const redis = await sharedRedis();
  const prefix = newPrefix();
  const lockers = options.map((each) => openLocker(redis.url, prefix, each));
  after(async () => {
    await Promise.all(lockers.map((locker) => locker.close()));
    await redis[Symbol.asyncDispose]();
  });
  await Promise.all(lockers.map((locker) => locker.acquireAndRun(newKey(), () => undefined)));
  return { redis, prefix, lockers: lockers as FileLockers<All>["lockers"] };
}
