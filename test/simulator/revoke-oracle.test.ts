import assert from "node:assert/strict";
import { test } from "node:test";
import { RevokeOracle } from "./revoke-oracle.js";

class Stage {
  nowMs = 1_000;
  readonly rules: string[] = [];
  readonly oracle = new RevokeOracle(
    (rule) => this.rules.push(rule),
    () => this.nowMs,
  );

  /** `b` asks for the key that `a#1` holds. */
  revoke(element: readonly string[], status = "ok"): void {
    const args = ["era", "700", "1", "era", "b.1", "b", "0", "a.1", "a", "1", "10", "p:g:a", "p:c:a.1", "0"];
    this.oracle.onScript("b", ["p:n", "p:s:b.1", "p:l:key", "p:s:a.1"], args, [status, "era", element]);
  }
  watch(state = "held", calmSinceMs = 0): void {
    this.oracle.watch([{ who: "p0", leaseId: "a#1", lease: { state } }], calmSinceMs);
  }
}

for (const [what, status, rules] of [
  ["that was given back", "released", ["R1"]],
  ["that was taken by force", "forced", ["R1"]],
  ["whose holder was merely told", "revoked", []],
] as const) {
  test(`R1: ${rules.length > 0 ? "no yes" : "a yes"} is heard of a revoked lease ${what}`, () => {
    const stage = new Stage();
    stage.revoke(["asked", "1"]);
    stage.oracle.yes("p0", "a#1");
    stage.oracle.onAnswer("b", "key", status, 1_000);
    stage.oracle.yes("p0", "a#1");
    stage.oracle.yes("p0", "a#2");
    assert.deepEqual(stage.rules, rules);
  });
}

test("a mark may cost the other leases of its locker for a while, and nobody else's", () => {
  const stage = new Stage();
  stage.revoke(["asked", "1"]);
  assert.equal(stage.oracle.mayBeTaken("a#1"), false, "asked is not taken");
  stage.revoke(["marked"]);
  assert.deepEqual(
    ["a#1", "a#2", "aa#2"].map((id) => stage.oracle.mayBeTaken(id)),
    [true, true, false],
  );
  stage.nowMs += 3_000;
  assert.deepEqual(
    ["a#1", "a#2"].map((id) => stage.oracle.mayBeTaken(id)),
    [true, false],
  );
});

test("R1: an answer speaks of what its own call asked for, and of nothing after a loss of memory", () => {
  const stage = new Stage();
  stage.revoke(["asked", "1"]);
  stage.oracle.onAnswer("c", "key", "released", 1_000);
  stage.oracle.onAnswer("b", "other", "released", 1_000);
  stage.oracle.onAnswer("b", "key", "released", 1_001);
  stage.oracle.yes("p0", "a#1");
  stage.oracle.onAnswer("b", "key", "released", 1_000);
  stage.oracle.onMemoryLoss();
  stage.oracle.onAnswer("b", "key", "released", 1_000);
  stage.oracle.yes("p0", "a#1");
  assert.deepEqual(stage.rules, []);
});

test("R1: a waiter that never heard of the grant that was taken from it is granted its key anew", () => {
  const stage = new Stage();
  stage.revoke(["marked", "1000", "500"]);
  stage.oracle.onAnswer("b", "key", "forced", 1_000);
  stage.oracle.onGrant("a#1");
  stage.oracle.yes("p0", "a#1");
  stage.nowMs = 5_000;
  stage.watch();
  assert.deepEqual(stage.rules, []);
});

test("R2: nobody is told that a lease is revoked for which nobody asked", () => {
  const stage = new Stage();
  stage.revoke(["absent"]);
  stage.revoke(["asked", "1"], "era");
  stage.oracle.lost("p0", "key", "a#1");
  assert.deepEqual(stage.rules, ["R2"]);
  stage.revoke(["asked", "0"]);
  stage.oracle.lost("p0", "key", "a#1");
  assert.deepEqual(stage.rules, ["R2"]);
});

test("R3: in the calm a holder hears in time of a mark, whenever it was set", () => {
  const stage = new Stage();
  stage.revoke(["marked", "1000", "500"]);
  stage.nowMs = 5_000;
  stage.watch("held", 4_500);
  stage.watch("unsure");
  assert.deepEqual(stage.rules, []);
  stage.watch("held", 4_299);
  assert.deepEqual(stage.rules, ["R3"]);
});

test("R3: in the calm a holder hears in time of what was asked in the calm, if it listens", () => {
  const stage = new Stage();
  stage.revoke(["asked", "1"]);
  stage.nowMs = 1_701;
  stage.watch("held", 1_001);
  assert.deepEqual(stage.rules, []);
  stage.watch("held", 1_000);
  assert.deepEqual(stage.rules, ["R3"]);
  stage.revoke(["asked", "0"]);
  stage.nowMs = 9_000;
  stage.watch("held", 1_000);
  assert.deepEqual(stage.rules, ["R3"]);
});
