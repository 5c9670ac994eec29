import assert from "node:assert/strict";
import { test } from "node:test";
import { LockStatus, type Locker } from "../../src/index.js";
import { oncePerInterval } from "../../src/recipes/index.js";
import { lockersForFile } from "../support/file-lockers.js";
import { newKey, openLocker, untilFree } from "../support/lockers.js";
import { mulberry32, seed, waitUntil, withDeadline } from "../support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {}, {}, {});

const untilRuns = (locker: Locker, key: string, intervalMs: number): Promise<string> => {
  const read = async (): Promise<string> => (await oncePerInterval(locker, key, intervalMs, () => undefined)).status;
  return waitUntil(read, LockStatus.SUCCESS, { deadlineMs: 20_000, what: `the status of ${key}` });
};

test("a quick job that four processes start by skewed clocks runs once an interval", async () => {
  const key = newKey("cron");
  const random = mulberry32(seed());
  const intervalMs = 4_000;
  const runs: number[] = [];
  const startMs = performance.now() + 200;
  const cron = async (locker: Locker): Promise<void> => {
    const skewMs = random() * 600;
    for (let tick = 0; tick < 3; tick++) {
      const atMs = startMs + tick * intervalMs + skewMs;
      await new Promise((resolve) => setTimeout(resolve, atMs - performance.now())); // waits: for the clock to strike
      await oncePerInterval(locker, key, intervalMs, () => void runs.push(tick));
    }
  };
  await withDeadline(Promise.all(lockers.map(cron)), 30_000, "three intervals");
  assert.deepEqual(runs, [0, 1, 2]);
});

test("the key stays taken after a success, also when the process has gone, and is free after skewMs", async () => {
  const key = newKey("cron");
  const [locker] = lockers;
  const brief = openLocker(redis.url, prefix);
  const startedMs = performance.now();
  const skewMs = 2_000;
  const outcome = await oncePerInterval(brief, key, 60_000, () => "done", { skewMs });
  assert.ok(outcome.status === LockStatus.SUCCESS && outcome.result === "done");
  await brief.close();
  await untilRuns(locker!, key, 60_000);
  assert.ok(performance.now() - startedMs >= skewMs - 5);
});

test("a job that fails is tried again by whoever comes next", async () => {
  const key = newKey("cron");
  const [locker, other] = lockers;
  await assert.rejects(
    oncePerInterval(locker!, key, 60_000, () => Promise.reject(new Error("its own"))),
    /its own/,
  );
  await untilFree(other!, key);
  assert.equal((await oncePerInterval(other!, key, 60_000, () => undefined)).status, LockStatus.SUCCESS);
});
