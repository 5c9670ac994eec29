import assert from "node:assert/strict";
import test from "node:test";
import { WaitingStage } from "../support/waiting-stage.js";

function waiting(more: Parameters<WaitingStage["wait"]>[0] = {}) {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1");
  const outcome = stage.wait(more);
  return { stage, outcome };
}

test("of an abort and a push in the same instant the first counts: a grant is its asker's to give back", async () => {
  const abort = new AbortController();
  const granted = waiting({ signals: [abort.signal] });
  const aborted = waiting({ signals: [abort.signal] });
  await Promise.all([granted.stage.pass(2_000), aborted.stage.pass(2_000)]);
  granted.stage.push();
  abort.abort(new Error("enough"));
  aborted.stage.push();
  await Promise.all([granted.stage.clock.settle(), aborted.stage.clock.settle()]);
  assert.deepEqual([granted.outcome.is, granted.stage.released], ["granted", []]);
  assert.deepEqual([aborted.outcome.is, aborted.stage.released], ["enough", [1]]);
});

test("a grant that is pushed is told in that very instant, once", async () => {
  const { stage, outcome } = waiting();
  await stage.pass(2_000);
  stage.push();
  await Promise.resolve(); // nothing but the promise of the wait itself lies between
  assert.equal(outcome.is, "granted");
  await stage.pass(5_000);
  assert.deepEqual([stage.released, stage.clock.pending], [[], 0]);
});
