// Lockers where an application may have them: in its own worker threads, in its child processes, behind require().

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import * as pulselock from "../src/index.js";
import type { ThreadData, ThreadRequest } from "./support/fixtures/locker-thread.js";
import { lockersForFile } from "./support/file-lockers.js";
import { findBusy, newKey, openLocker, take } from "./support/lockers.js";
import { guardProcess } from "./support/process-guard.js";
import { once, withDeadline } from "./support/wait.js";

const { redis, prefix, lockers } = await lockersForFile({});
const [bystander] = lockers;

function startThread(): Worker & AsyncDisposable {
  const workerData: ThreadData = { url: redis.url, prefix };
  const worker = new Worker(new URL("./support/fixtures/locker-thread.js", import.meta.url), { workerData });
  return Object.assign(worker, { [Symbol.asyncDispose]: async () => void (await worker.terminate()) });
}

async function ask(worker: Worker, act: ThreadRequest["act"], key = ""): Promise<unknown> {
  const answered = once(worker, "message", { deadlineMs: 10_000, what: `the thread's answer to ${act}` });
  worker.postMessage({ act, key } satisfies ThreadRequest, []);
  const [{ value, error }] = (await answered) as [{ value?: unknown; error?: string }];
  if (error !== undefined) throw new Error(error);
  return value;
}

test("a locker works inside an application's worker thread, which ends by itself after close()", async () => {
  await using worker = startThread();
  const key = newKey();
  const token = await ask(worker, "acquire", key);
  assert.equal((await findBusy(bystander, key)).holder.fencingToken, token);
  assert.equal(await ask(worker, "heartbeat", key), "held");
  await ask(worker, "release", key);
  const exited = once(worker, "exit", { deadlineMs: 2_000, what: "the thread's end" });
  await ask(worker, "close");
  assert.deepEqual(await exited, [0]);
});

test("terminate() of a thread with a locker in it takes nothing else down, and its key can be had", async () => {
  await using worker = startThread();
  const key = newKey();
  const token = Number(await ask(worker, "acquire", key));
  const waiting = take(bystander, key, { waitMs: 20_000 });
  const startedMs = performance.now();
  await withDeadline(worker.terminate(), 2_000, "terminate()");
  const lease = await waiting;
  const tookMs = performance.now() - startedMs;
  assert.ok(lease.fencingToken > token);
  assert.ok(tookMs < 2_500, `took ${tookMs} ms`);
  await lease.release();
});

test("terminate() at any moment of a first acquire takes nothing else down", async () => {
  await Promise.all(
    Array.from({ length: 8 }, async (_unused, i) => {
      await using worker = startThread();
      await once(worker, "online", { deadlineMs: 10_000, what: "the thread" });
      worker.postMessage({ act: "acquire", key: newKey() } satisfies ThreadRequest, []);
      await new Promise((resolve) => setTimeout(resolve, 60 * i)); // waits: to terminate at another moment each time
      await withDeadline(worker.terminate(), 5_000, "terminate()");
    }),
  );
});

test("an application's thread that is stuck in a loop keeps its lease, like a blocked main thread", async () => {
  await using worker = startThread();
  const key = newKey();
  const token = await ask(worker, "acquire", key);
  worker.postMessage({ act: "loop", key } satisfies ThreadRequest, []);
  await assert.doesNotReject(findBusy(bystander, key, { waitMs: 3_000 })); // waits: for longer than a session TTL
  assert.equal((await bystander.readHolder(key))?.fencingToken, token);
});

test("drainOn in an application's worker thread is refused, since no signal would ever reach it", async () => {
  const program = `import { Locker } from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
    import { parentPort } from "node:worker_threads";
    try {
      new Locker({ database: "redis://127.0.0.1", drainOn: ["SIGTERM"] });
    } catch (error) {
      parentPort.postMessage(error.message);
    }`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const [message] = await once(worker, "message", { deadlineMs: 10_000, what: "the thread's refusal" });
  assert.match(String(message), /^drainOn \(\[ 'SIGTERM' \]\) works in the main thread only/);
});

test("two lockers of one process are two holders, with a worker thread each", async () => {
  await using one = openLocker(redis.url, prefix);
  await using two = openLocker(redis.url, prefix);
  const key = newKey();
  await using lease = await take(one, key);
  const { holder } = await findBusy(two, key);
  assert.equal(holder.pid, process.pid);
  await one.close();
  await using next = await take(two, key, { waitMs: 10_000 });
  assert.ok(next.fencingToken > lease.fencingToken);
  assert.equal(next.state, "held");
});

test("a locker works in a forked child process of an application", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pulselock-cjs-"));
  const program = join(folder, "app.cjs");
  const pulselock = fileURLToPath(new URL("../src/index.js", import.meta.url));
  await writeFile(
    program,
    `const { Locker, LockStatus, RedisDatabase } = require(${JSON.stringify(pulselock)});
    const [, , url, prefix] = process.argv;
    const locker = new Locker({ database: new RedisDatabase(url, { prefix }) });
    locker
      .acquireAndRun("from CommonJS", async (heartbeat) => (await heartbeat(), LockStatus.SUCCESS))
      .then(({ result }) => process.send(result))
      .finally(() => locker.close())
      .then(() => process.disconnect());`,
  );
  const child = fork(program, [redis.url, prefix], { env: { ...process.env, NODE_TEST_CONTEXT: "" }, stdio: "pipe" });
  guardProcess(child);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const exited = once(child, "exit", { deadlineMs: 15_000, what: "the child's end" });
  const said = once(child, "message", { deadlineMs: 15_000, what: "the child's result" });
  assert.deepEqual((await said)[0], "SUCCESS");
  assert.deepEqual(await exited, [0, null]);
  assert.doesNotMatch(stderr, /Error/);
  await rm(folder, { recursive: true });
});

test("require() gives the same classes as import", () => {
  const required = createRequire(import.meta.url)("../src/index.js") as typeof pulselock;
  assert.equal(required.Locker, pulselock.Locker);
});
