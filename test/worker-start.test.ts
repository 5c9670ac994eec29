import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "../src/clock.js";
import type { WorkerTask } from "../src/liveness-protocol.js";
import { SharedCells } from "../src/shared-cells.js";
import { WorkerHost } from "../src/worker-host.js";
import { startWorkerThread } from "../src/worker-thread.js";
import { LOAD_MS } from "./support/fixtures/slow-worker.js";
import { record } from "./support/lockers.js";
import { seed, waitUntil } from "./support/wait.js";

/** Ten times as fast: a worker that stands still for half a second is replaced, before its first step for three. */
const clock = { ...systemClock, timer: (ms: number, fn: () => void) => systemClock.timer(ms / 10, fn) };

test("a worker whose database takes long to load is not taken for one that stands still", async () => {
  using worker = record("worker");
  const cells = new SharedCells(1_000);
  const host = new WorkerHost({
    clock,
    cells,
    startWorker: startWorkerThread,
    workerPath: fileURLToPath(new URL("./support/fixtures/slow-worker.js", import.meta.url)),
    task: () => ({}) as Omit<WorkerTask, "cells">,
    onMessage: () => undefined,
  });
  const startedMs = performance.now();
  host.start();
  try {
    await waitUntil(() => cells.readWorkerTick() > 0, true, { deadlineMs: 8_000, what: "the worker's first step" });
    assert.ok(performance.now() - startedMs > LOAD_MS - 50);
  } finally {
    await host.stop(false, 20_000);
  }
  assert.deepEqual(
    worker.events.map(({ state }) => state),
    ["started", "stopped"],
  );
});

test("a thread that is taken down while it loads takes no process down", async () => {
  const program = fileURLToPath(new URL("./support/fixtures/thread-taken-down.js", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, String(seed())], { timeout: 60_000 });
  assert.equal(stdout, "all taken down\n");
});
