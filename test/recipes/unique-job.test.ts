import assert from "node:assert/strict";
import { test } from "node:test";
import { LockStatus, type Lease, type Locker } from "../../src/index.js";
import { runUnique, type UniqueForm, type UniqueJob } from "../../src/recipes/index.js";
import { lockersForFile } from "../support/file-lockers.js";
import { condemnAndTake, newKey, openLocker, take, untilFree } from "../support/lockers.js";
import { waitUntil, withDeadline } from "../support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

/** One that the test opens. */
function gate(): { open(): void; opened: Promise<void> } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

type State = "queued" | "executes" | "ended";

/** A job that stays in its queue, and then in its execution, until the test says so. */
function submit(by: Locker, key: string, form: UniqueForm) {
  const [queue, execution] = [gate(), gate()];
  const job = { state: undefined as State | undefined, lease: undefined as Lease | undefined };
  const fn: UniqueJob<string> = async (lease) => {
    job.state = "executes";
    job.lease = lease;
    await execution.opened;
    return "done";
  };
  const through = async <T>(run: () => Promise<T>): Promise<T> => {
    job.state = "queued";
    await queue.opened;
    return run();
  };
  const outcome = runUnique(by, key, form, fn, { queue: through }).then((result) => {
    if (result.status === LockStatus.SUCCESS) job.state = "ended";
    return result;
  });
  outcome.catch(() => undefined); // looked at by the test
  return { job, outcome, leaveQueue: queue.open, end: execution.open };
}

type Submitted = ReturnType<typeof submit>;

const until = ({ job }: Submitted, state: State): Promise<unknown> =>
  waitUntil(() => job.state, state, { deadlineMs: 5_000, what: "the job's state" });

async function isRefused({ outcome, job }: Submitted): Promise<boolean> {
  const { status } = await withDeadline(outcome, 5_000, "the answer to a twin");
  return status === LockStatus.SOMEONE_ELSE_HOLDS_LOCK && job.state === undefined;
}

async function end(submitted: Submitted): Promise<void> {
  submitted.leaveQueue();
  submitted.end();
  const outcome = await withDeadline(submitted.outcome, 5_000, "the end of the job");
  assert.ok(outcome.status === LockStatus.SUCCESS && outcome.result === "done");
}

test("until executing: a twin is refused while the job is queued, and accepted as soon as it executes", async () => {
  const key = newKey();
  const first = submit(locker, key, "until-executing");
  await until(first, "queued");
  assert.ok(await isRefused(submit(other, key, "until-executing")));
  first.leaveQueue();
  await until(first, "executes");
  assert.equal(first.job.lease, undefined);
  const twin = submit(other, key, "until-executing");
  twin.leaveQueue();
  await until(twin, "executes");
  assert.equal(first.job.state, "executes");
  await Promise.all([end(first), end(twin)]);
});

test("until executed: a twin is refused until the job has ended", async () => {
  const key = newKey();
  const first = submit(locker, key, "until-executed");
  await until(first, "queued");
  assert.ok(await isRefused(submit(other, key, "until-executed")));
  first.leaveQueue();
  await until(first, "executes");
  assert.equal(first.job.lease?.key, key);
  assert.ok(await isRefused(submit(other, key, "until-executed")));
  await end(first);
  await end(submit(other, key, "until-executed"));
});

test("until expired: a twin is refused for that long after the submission, also when the job has ended", async () => {
  const key = newKey();
  const forMs = 1_500;
  const startedMs = performance.now();
  const outcome = await runUnique(locker, key, "until-expired", () => "done", { forMs });
  assert.equal(outcome.status, LockStatus.SUCCESS);
  const submitTwin = async (): Promise<string> =>
    (await runUnique(other, key, "until-expired", () => "twin", { forMs })).status;
  if (performance.now() - startedMs < forMs / 2) assert.equal(await submitTwin(), LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  await waitUntil(submitTwin, LockStatus.SUCCESS, { deadlineMs: 10_000, what: "a twin's status" });
  assert.ok(performance.now() - startedMs >= forMs - 5);
});

test("until expired: one that fails can be submitted again at once", async () => {
  const key = newKey();
  const failing = runUnique(locker, key, "until-expired", () => Promise.reject(new Error("its own")), {
    forMs: 60_000,
  });
  await assert.rejects(failing, /its own/);
  await untilFree(other, key);
});

test("until and while executing: one executes, one is queued, and the next is refused", async () => {
  const key = newKey();
  const form = "until-and-while-executing";
  const first = submit(locker, key, form);
  await until(first, "queued");
  assert.ok(await isRefused(submit(other, key, form)));
  first.leaveQueue();
  await until(first, "executes");
  const second = submit(other, key, form);
  await until(second, "queued");
  second.leaveQueue();
  assert.ok(await isRefused(submit(locker, key, form)), "also while the second one waits for its turn");
  assert.equal(second.job.state, "queued");
  await end(first);
  await until(second, "executes");
  assert.ok(second.job.lease !== undefined && second.job.lease.key !== key);
  await Promise.all([end(second), end(submit(locker, key, form))]);
});

test("while executing: all are accepted, and executed one at a time", async () => {
  const key = newKey();
  let running = 0;
  let most = 0;
  const fn = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => setImmediate(resolve));
    running -= 1;
  };
  const jobs = [locker, other, locker, other].map((by) => runUnique(by, key, "while-executing", fn));
  const outcomes = await withDeadline(Promise.all(jobs), 10_000, "the end of all jobs");
  assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set([LockStatus.SUCCESS]));
  assert.equal(most, 1);
});

test("what the job throws is thrown, whatever the form, and a twin is accepted afterwards", async () => {
  const error = new Error("the job's own");
  for (const form of ["until-executing", "until-executed", "until-and-while-executing", "while-executing"] as const) {
    const key = newKey(form);
    const failing = runUnique(locker, key, form, () => Promise.reject(error));
    await assert.rejects(failing, (thrown) => thrown === error);
    await untilFree(other, key);
    await end(submit(other, key, form));
  }
});

test("a queue that refuses the job has its error thrown, and the key free", async () => {
  const key = newKey();
  const queue = (): Promise<never> => Promise.reject(new Error("the queue is full"));
  for (const form of ["until-executing", "until-executed", "until-and-while-executing"] as const) {
    await assert.rejects(
      runUnique(locker, key, form, () => undefined, { queue }),
      /the queue is full/,
    );
    await untilFree(other, key);
  }
});

test("a job whose lease is lost while it is queued is not executed", async () => {
  await using thief = await take(other, newKey("thief"));
  for (const form of ["until-executing", "until-executed", "until-and-while-executing"] as const) {
    const own = openLocker(redis.url, prefix);
    const key = newKey(form);
    const queued = submit(own, key, form);
    await until(queued, "queued");
    await condemnAndTake(redis.client(), prefix, key, thief.key);
    await assert.rejects(withDeadline(queued.outcome, 5_000, "the loss"), { name: "LockError" });
    queued.leaveQueue();
    await own.close();
    assert.equal(queued.job.state, "queued", form);
  }
});

test("a queued job keeps its lease for longer than a lock TTL, though nobody beats", async () => {
  const lockTtlMs = 2_000;
  await using brief = openLocker(redis.url, prefix, { lockTtlMs });
  const key = newKey();
  const queued = submit(brief, key, "until-executed");
  await until(queued, "queued");
  await new Promise((resolve) => setTimeout(resolve, 2 * lockTtlMs)); // waits: longer than the lease would live
  assert.ok(await isRefused(submit(other, key, "until-executed")));
  await end(queued);
});
