import assert from "node:assert/strict";
import test from "node:test";
import { HoldingsStage } from "./support/holdings-stage.js";

test("the last lease that is held is given back at once, and takes along what was given back before it", async () => {
  const stage = new HoldingsStage();
  const leases = [stage.lease(), stage.lease(), stage.lease()];
  const numbers = () => stage.store.sent("release").map(({ batch }) => batch.map(({ leaseNumber }) => leaseNumber));
  const released = leases.slice(0, 2).map((lease) => lease.release());
  assert.deepEqual(numbers(), [], "another one may follow in this turn");
  released.push(leases[2]!.release());
  assert.deepEqual(numbers(), [[1, 2, 3]], "nobody is left who could");
  await Promise.all([...released, stage.clock.settle()]);
  assert.equal(stage.store.sent("release").length, 1);
});

test("a lease beside which another one is held is given back when the turn is over", async () => {
  const stage = new HoldingsStage();
  const [first] = [stage.lease(), stage.lease()];
  const released = first.release();
  assert.equal(stage.store.sent("release").length, 0);
  await Promise.all([released, stage.clock.settle()]);
  assert.equal(stage.store.sent("release").length, 1);
});
