import assert from "node:assert/strict";
import { test } from "node:test";
import { entry, hash, record, Stage } from "./oracle-stage.js";

test("a grant that another script makes is one as well: who believes in the key then says it falsely", () => {
  const stage = new Stage();
  stage.grant("a", 1, 10);
  stage.change("release", "a", { lease: [record("a", 10), record("b", 20)], queue: [[entry("b")]] });
  assert.deepEqual(stage.rules, []);
  stage.oracle.yes("p1", "key", 20);
  stage.oracle.yes("p0", "key", 10);
  assert.deepEqual(stage.rules, ["S1"]);
});

test("Q1: nobody is granted the key before one that came earlier, is fit and goes on waiting", () => {
  const jump = { lease: [undefined, record("b", 20)], queue: [[entry("a"), entry("b")], [entry("a")]] } as const;
  const stage = new Stage();
  stage.change("acquire", "b", jump);
  assert.deepEqual(stage.rules, ["Q1"]);
  const unfit = new Stage();
  unfit.change("acquire", "b", { ...jump, queue: [[entry("a", -1), entry("b")], [entry("a", -1)]] });
  unfit.change("acquire", "c", {
    lease: [undefined, record("c", 30)],
    queue: [[entry("a")], [entry("a")]],
    listeners: 0,
  });
  assert.deepEqual(unfit.rules, []);
});

test("Q1: who asks again and is put behind those that came later has lost its place", () => {
  const stage = new Stage();
  stage.change("acquire", "b", { queue: [[entry("a")], [entry("a"), entry("b")]] });
  const moved = [entry("b"), entry("a")];
  stage.change("acquire", "a", { queue: [[entry("a"), entry("b")], moved] });
  stage.change("release", "c", { lease: [record("c", 5), record("b", 20)], queue: [moved, [entry("a")]] });
  assert.deepEqual(stage.rules, ["Q1"]);
});

for (const [what, waiter, look] of [
  ["that has not asked for too long", entry("b", 0), {}],
  ["of an older era", entry("b", 1_000, "era0"), {}],
  ["whose main thread does not listen", entry("b"), { listeners: 0 }],
  ["that never queued", entry("c", 0), {}],
  ["while a recovery window is open", entry("b"), { isRecovering: true }],
] as const) {
  test(`Q2: nothing is handed to a waiter ${what}`, () => {
    const stage = new Stage();
    stage.change("release", "a", { lease: [record("a", 10), record("b", 20)], queue: [[waiter]], ...look });
    assert.ok(stage.rules.includes("Q2"), stage.rules.join());
  });
}

test("Q3: a release that leaves the key to nobody while a fit one waits is found", () => {
  const stage = new Stage();
  const left = { lease: [record("a", 10), undefined], queue: [[entry("b")], [entry("b")]] } as const;
  stage.change("release", "a", { ...left, listeners: 0 });
  stage.change("release", "a", { ...left, isRecovering: true });
  stage.change("release", "a", { lease: [], queue: left.queue, refused: "generation" }); // it was kept until now
  assert.deepEqual(stage.rules, []);
  stage.change("release", "a", left);
  assert.deepEqual(stage.rules, ["Q3"]);
});

test("Q3: who stands behind its own lease, which was revoked by force, is not to be granted another", () => {
  const permits = (number: number): Map<string, string> =>
    new Map([
      ...([
        ["v", "2"],
        ["mode", "p"],
        ["era", "era"],
        ["token", "0"],
        ["limit", "2"],
      ] as [string, string][]),
      [`b#${number}`, `r b.1 ${2_000_000} 5 1 1000 500 `],
    ]);
  for (const [own, rules] of [
    [1, []],
    [2, ["Q3"]],
  ] as const) {
    const stage = new Stage();
    const waits = hash([entry("b").replace("1 x", "1 p")]);
    const after = { lease: permits(own), queue: waits };
    const look = { nowMs: stage.world.nowMs, era: "era", isRecovering: false, fence: 0, listeners: () => 1, told: [] };
    stage.oracle.watch({ ...look, changes: [{ key: "key", before: after, after }] }, 0);
    stage.pass(1_201);
    stage.oracle.watch({ ...look, changes: [{ key: "key", before: after, after }] }, 0);
    assert.deepEqual(stage.rules, rules);
  }
});

test("Q3: a key that could be granted for more than 1.2 s in the calm is found", () => {
  const stage = new Stage();
  const after = { lease: undefined, queue: hash([entry("a", 10_000)]) };
  const look = { nowMs: stage.world.nowMs, era: "era", isRecovering: false, fence: 0, listeners: () => 1, told: [] };
  const watch = () => stage.oracle.watch({ ...look, changes: [{ key: "key", before: after, after }] }, 0);
  watch();
  stage.pass(1_200);
  watch();
  assert.deepEqual(stage.rules, []);
  stage.pass(1);
  watch();
  assert.deepEqual(stage.rules, ["Q3"]);
});

test("Q6: a place is taken only from the dead, from who leaves, and from another era", () => {
  const stage = new Stage();
  stage.begin();
  stage.change("acquire", "b", { queue: [[entry("a")], []] });
  assert.deepEqual(stage.rules, ["Q6"]);
  const fair = new Stage();
  fair.begin();
  fair.change("release", "a", { queue: [[entry("a")], []] });
  fair.change("acquire", "b", { queue: [[entry("a", 1_000, "era0")], []] });
  fair.pass(2_000);
  fair.condemn("silent");
  fair.change("acquire", "b", { queue: [[entry("a")], []] });
  assert.deepEqual(fair.rules, []);
});

test("Q5: the tokens of a block are given out once each, rising, under a fence at its end", () => {
  const stage = new Stage();
  stage.grant("a", 1, 10, undefined, 14);
  for (const token of [10, 11, 14]) stage.oracle.handed("p0", "key", token);
  stage.oracle.yes("p0", "key", 14);
  stage.grant("b", 1, 15);
  assert.deepEqual(stage.rules, []);
  stage.grant("c", 1, 20, undefined, 24);
  stage.oracle.handed("p0", "key", 22);
  stage.oracle.handed("p0", "key", 21);
  stage.oracle.handed("p0", "key", 21);
  assert.deepEqual(stage.rules, ["Q5", "Q5", "Q5"]);
  stage.oracle.yes("p0", "key", 21);
  stage.oracle.yes("p0", "key", 25);
  stage.grant("d", 1, 24);
  assert.deepEqual(stage.rules.slice(3), ["S1", "S1", "S2"]);
  const low = new Stage();
  low.change("acquire", "a", { lease: [undefined, record("a", 10)], last: 14, fence: 10 });
  assert.deepEqual(low.rules, ["Q5"]);
});
