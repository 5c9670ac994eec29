import assert from "node:assert/strict";
import test from "node:test";
import type { LeaseRecord } from "../src/databases/database.js";
import { LockerStage } from "./support/locker-stage.js";
import { exclusive } from "./support/lease-facts.js";

const lease: LeaseRecord = {
  ...{ key: "key", sessionId: "dead.1", leaseNumber: 5, fencingToken: 70, acquiredAtMs: 4_000, era: "era1", trace: "" },
  ...exclusive,
};

test("a locker that hears of a new era writes again who was condemned, and in the same era does not", async () => {
  const stage = new LockerStage();
  const engine = stage.engine();
  stage.change("begun");
  stage.store.session = { state: "condemned" };
  assert.equal((await engine.judge.judge(lease)).next, "take");
  stage.change("taken");
  await stage.clock.settle();
  assert.deepEqual(stage.store.tombstones, []);
  stage.change("reentered", { era: "era2", recovering: true });
  await stage.clock.settle();
  assert.deepEqual(stage.store.tombstones, [["dead.1"]]);
});

test("a worker that is started again goes on with the session, in the same memory", async () => {
  const stage = new LockerStage();
  stage.engine();
  const [first] = stage.runs;
  assert.ok(first);
  assert.equal(first.task.resume, undefined);
  stage.change("begun");
  stage.change("condemned", { sessionId: "next" });
  first.fail();
  await stage.clock.advance(1_000);
  assert.equal(stage.runs.length, 2);
  const second = stage.runs[1]?.task;
  assert.deepEqual(
    [second?.resume?.sessionId, second?.lockerId, second?.cells],
    ["next", first.task.lockerId, first.task.cells],
  );
});

test("a run of the worker that was given up is not listened to any more", async () => {
  const stage = new LockerStage();
  const engine = stage.engine();
  stage.change("begun");
  const [first] = stage.runs;
  first?.fail();
  await stage.clock.advance(1_000);
  first?.tell({ type: "failure", code: "denied", message: "from the dead" });
  assert.equal(engine.session.failure?.code, "unreachable", "what is known of the failed run");
});
