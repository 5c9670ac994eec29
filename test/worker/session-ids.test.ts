// A session's id is used once, however the runs of the worker that used it ended.

import assert from "node:assert/strict";
import test from "node:test";
import { Pinger } from "../../worker/pinger.js";
import { LIMITS, PingerStage } from "../support/pinger-stage.js";
import type { SessionState } from "../../src/liveness-protocol.js";

const facts = { host: "host", pid: 7, proofs: { bootId: "b", pidNamespace: "p", timeNamespace: "t", startTime: "1" } };

/** The run of the stage dies without a word; the next one has what the main thread knows, and the same memory. */
async function nextRun(stage: PingerStage, resume: SessionState | undefined): Promise<Pinger> {
  stage.messages.length = 0;
  const { clock, cells, store } = stage;
  const pinger = new Pinger({
    ...{ database: store.database, clock, cells, limits: LIMITS, lockerId: "locker", ...facts, labels: {}, resume },
    notify: (message) => stage.messages.push(message),
  });
  pinger.start();
  await clock.settle();
  return pinger;
}

test("a run that dies before its session was heard of leaves the next run a fresh id", async () => {
  const stage = new PingerStage();
  await stage.clock.settle();
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.1");
  await nextRun(stage, undefined);
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
});

test("a run that dies before its next session was heard of: the one resumed has another one after it", async () => {
  const stage = await PingerStage.begun();
  const known = stage.store.answer();
  const resume = { sessionId: "locker.1", era: known.era, lostCounter: 0, recoveryMs: 2_500, recovering: false };
  await stage.pings(1, () => stage.store.answer("condemned"));
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
  await nextRun(stage, resume);
  assert.equal(stage.connection.asked("ping").request.sessionId, "locker.1", "what the main thread last heard of");
  stage.connection.asked("ping").answer(stage.store.answer("condemned"));
  await stage.clock.settle();
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.3");
  await stage.answerBegin();
  assert.equal(stage.changes.at(-1)?.session.sessionId, "locker.3");
});
