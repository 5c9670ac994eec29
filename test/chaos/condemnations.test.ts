import assert from "node:assert/strict";
import { test } from "node:test";
import { wrongCondemnations, type CondemnedDeps } from "./condemnations.js";

const deps: CondemnedDeps = {
  condemnations: [{ kind: "condemned", atMs: 10_000, process: "p2.1", pid: 7, reason: "silent", silentMs: 1_200 }],
  faults: [],
  victimOf: (pid) => (pid === 7 ? { process: "p1.1", place: "p1", sessionTtlMs: 1_000 } : undefined),
  starved: [],
};

function rulesOf(changed: Partial<CondemnedDeps>): string[] {
  return wrongCondemnations({ ...deps, ...changed }).map(({ rule }) => rule);
}

test("a process that nothing had touched may not be condemned, whatever the store went through", () => {
  assert.deepEqual(rulesOf({}), ["S4"]);
  assert.deepEqual(rulesOf({ faults: [{ kind: "store-freeze", target: "store", fromMs: 8_000, toMs: 9_900 }] }), [
    "S4",
  ]);
  assert.deepEqual(rulesOf({ faults: [{ kind: "promotion", target: "store", fromMs: 8_000, toMs: 8_040 }] }), ["S4"]);
  assert.deepEqual(rulesOf({ faults: [{ kind: "block", target: "p1", fromMs: 8_000, toMs: 9_900 }] }), ["S4"]);
  assert.deepEqual(rulesOf({ faults: [{ kind: "freeze", target: "p3", fromMs: 8_000, toMs: 9_900 }] }), ["S4"]);
  assert.deepEqual(rulesOf({ faults: [{ kind: "freeze", target: "p1", fromMs: 1_000, toMs: 2_000 }] }), ["S4"]);
});

test("a process that was frozen, cut off, starved or killed may be", () => {
  assert.deepEqual(rulesOf({ faults: [{ kind: "freeze", target: "p1", fromMs: 8_000, toMs: 12_000 }] }), []);
  assert.deepEqual(rulesOf({ faults: [{ kind: "refuse", target: "all", fromMs: 8_000, toMs: 9_000 }] }), []);
  assert.deepEqual(rulesOf({ starved: [{ fromMs: 9_000, toMs: 9_400 }] }), []);
  assert.deepEqual(rulesOf({ victimOf: () => undefined }), []);
  for (const kind of ["failover-revive", "two-masters"] as const) {
    const split = { kind, target: "store", fromMs: 8_000, toMs: 9_900 };
    assert.deepEqual(rulesOf({ faults: [split] }), [], "nor who may have pinged the old primary");
  }
  const ofItsEra = deps.condemnations.map((condemnation) => ({ ...condemnation, reason: "era" }));
  assert.deepEqual(rulesOf({ condemnations: ofItsEra }), [], "a session that its own process has left");
});
