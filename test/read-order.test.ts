// The worker writes while the main thread reads. Between any two of these reads everything may happen, so each place
// where the worker can come in between is tried: an old epoch paired with later trust would be a false yes.

import assert from "node:assert/strict";
import test from "node:test";
import type { SharedCells } from "../src/shared-cells.js";
import { beat, HoldingsStage, TRUST } from "./support/holdings-stage.js";

/** Has the worker act once, right before the main thread's read of that number. Returns how often was read. */
function actBeforeRead(cells: SharedCells, number: number, act: () => void): { reads: number } {
  const seen = { reads: 0 };
  const look = () => {
    seen.reads += 1;
    if (seen.reads === number) act();
  };
  const { isTrusted, readEpoch } = cells;
  cells.isTrusted = (monoMs, wallMs) => {
    look();
    return isTrusted.call(cells, monoMs, wallMs);
  };
  cells.readEpoch = () => {
    look();
    return readEpoch.call(cells);
  };
  return seen;
}

/** A lease whose trust has lapsed, and a worker that is about to hear that the session was condemned in between. */
function lapsed(number: number) {
  const stage = new HoldingsStage();
  const lease = stage.lease();
  const stamp = stage.session.latest();
  assert.ok(stamp);
  stage.clock.pass(TRUST);
  const seen = actBeforeRead(stage.cells, number, () => {
    stage.cells.raiseEpoch();
    stage.trust();
  });
  return { stage, lease, stamp, seen };
}

const places = [1, 2];

for (const place of places) {
  test(`no heartbeat says yes when the worker tells of a loss before its read ${place}`, async () => {
    const { stage, lease, seen } = lapsed(place);
    const first = beat(lease);
    await stage.clock.settle();
    assert.ok(seen.reads >= place, `only ${seen.reads} reads`);
    assert.equal(first.outcome, "waits");
    assert.throws(() => lease.assertHeld(), { name: "LockUnsureError" });
  });

  test(`no grant counts when the worker tells of a loss before its read ${place}`, () => {
    const { stage, stamp } = lapsed(place);
    assert.equal(stage.session.isCurrent(stamp), false);
    assert.equal(stage.session.isCurrent(stamp), false, "nor afterwards");
  });
}
