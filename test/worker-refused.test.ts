// A worker that cannot be made at all, as on a machine that has no room for another thread.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock, type Clock } from "../src/clock.js";
import type { FromWorker, WorkerTask } from "../src/liveness-protocol.js";
import { SharedCells } from "../src/shared-cells.js";
import { WorkerHost } from "../src/worker-host.js";
import { startWorkerThread, type StartWorker } from "../src/worker-thread.js";
import { FakeClock } from "./support/fake-clock.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const noTask = {} as Omit<WorkerTask, "cells">;

function hostOf(clock: Clock, startWorker: StartWorker, workerPath = "worker.js") {
  const messages: FromWorker[] = [];
  const onMessage = (message: FromWorker): void => void messages.push(message);
  const cells = new SharedCells(1_000);
  return { host: new WorkerHost({ clock, cells, startWorker, workerPath, task: () => noTask, onMessage }), messages };
}

test("a worker that cannot be made is told each time, and tried again after 50 ms, twice that, up to 2 s", async () => {
  const clock = new FakeClock();
  const startsMs: number[] = [];
  const { host, messages } = hostOf(clock, () => {
    startsMs.push(clock.monoMs());
    return { ended: Promise.reject(new Error("EAGAIN")), post: () => {}, destroy: () => Promise.resolve() };
  });
  host.start();
  await clock.settle();
  assert.deepEqual(messages, [{ type: "failure", code: "unreachable", message: "The liveness worker failed: EAGAIN" }]);
  await clock.advance(12_000);
  assert.ok(startsMs.length > 9, `${startsMs.length} starts`);
  assert.equal(messages.length, startsMs.length, "one word for each that failed");
  for (const [i, atMs] of startsMs.slice(1).entries()) {
    const [pauseMs, longestMs] = [atMs - startsMs[i]!, Math.min(2_000, 50 * 2 ** i)];
    assert.ok(pauseMs >= longestMs / 2 && pauseMs <= longestMs, `pause ${i} took ${pauseMs} ms`);
  }
  const starts = startsMs.length;
  await host.stop(true, 1_000);
  assert.equal(clock.pending, 0, "timers left");
  await clock.advance(60_000);
  assert.equal(startsMs.length, starts);
});

test("a host that is stopped before the first failure was heard ends all the same", async () => {
  const clock = new FakeClock();
  const ended = () => Promise.reject<void>(new Error("EAGAIN"));
  const { host, messages } = hostOf(clock, () => ({ ended: ended(), post: () => {}, destroy: async () => {} }));
  host.start();
  await host.stop(true, 1_000);
  assert.deepEqual([messages, clock.pending], [[], 0]);
});

const refused = {
  "which Piscina refuses to make": "file://elsewhere/worker.js",
  "whose file is not there": fileURLToPath(new URL("./support/fixtures/no-such-worker.js", import.meta.url)),
};

const left = (): string[] => process.getActiveResourcesInfo().filter((what) => /Worker|MessagePort|Timeout/.test(what));

for (const [what, workerPath] of Object.entries(refused)) {
  test(`a real worker ${what} fails no caller, is told and tried again, and nothing of it is left`, async () => {
    const before = left();
    const { host, messages } = hostOf(systemClock, startWorkerThread, workerPath);
    host.start();
    await waitUntil(() => messages.length >= 2, true, { deadlineMs: 20_000, what: "two failures" });
    for (const message of messages) assert.ok(message.type === "failure" && message.code === "unreachable");
    await withDeadline(host.stop(true, 1_000), 10_000, "close()");
    await waitUntil(() => left().length <= before.length, true, { deadlineMs: 5_000, what: "nothing left" });
  });
}
