import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent } from "../history/history.js";
import { demanded, intervalsOf, relaxationsOf } from "./relaxations.js";

/** `[kind, target, from, to]`, as the harness writes them down. */
function historyOf(...faults: [string, string, number, number][]): HistoryEvent[] {
  return faults
    .flatMap(([fault, target, fromMs, toMs]) => [
      { kind: "fault" as const, process: "harness", atMs: fromMs, fault, target, begins: true },
      { kind: "fault" as const, process: "harness", atMs: toMs, fault, target, begins: false },
    ])
    .toSorted((a, b) => a.atMs - b.atMs);
}

function rulesOf(...faults: Parameters<typeof historyOf>): string[] {
  return relaxationsOf(historyOf(...faults)).map(({ rule }) => rule);
}

test("faults that are survived relax nothing", () => {
  assert.deepEqual(rulesOf(["freeze", "p1", 0, 2_000], ["store-freeze", "store", 0, 2_000]), []);
  assert.deepEqual(rulesOf(["store-empty", "store", 0, 100]), [], "a loss alone");
  assert.deepEqual(rulesOf(["store-empty", "store", 0, 100], ["freeze", "p1", 0, 2_000]), [], "nobody was cut off");
  assert.deepEqual(rulesOf(["store-empty", "store", 0, 100], ["refuse", "p1", 0, 900]), [], "the condemner is there");
  assert.deepEqual(rulesOf(["failover", "store", 0, 100]), [], "nothing was lost");
  assert.deepEqual(rulesOf(["store-clock", "store", 0, 100]), []);
});

test("a promoted replica that lacks writes relaxes mutual exclusion for a while", () => {
  const relaxed = relaxationsOf(historyOf(["failover-lagging", "store", 100, 200]));
  assert.deepEqual(
    relaxed.map(({ rule, fromMs, toMs }) => [rule, fromMs, toMs]),
    [["S1", 100, 3_200]],
  );
  const violation = { rule: "S1", what: "two at once" };
  const left = demanded(
    [50, 3_000, 4_000].map((atMs) => ({ ...violation, atMs })),
    relaxed,
  );
  assert.deepEqual(
    left.map(({ atMs }) => atMs),
    [50, 4_000],
  );
  assert.equal(demanded([{ rule: "S2", atMs: 150, what: "token" }], relaxed).length, 1);
});

test("a loss after a partition relaxes it only when the condemner is gone, too, or a second loss follows", () => {
  const cut: [string, string, number, number] = ["refuse", "p1", 0, 900];
  const loss: [string, string, number, number] = ["store-empty", "store", 1_000, 1_200];
  assert.deepEqual(rulesOf(cut, loss, ["kill", "p2", 950, 1_500]), ["S1"]);
  assert.deepEqual(rulesOf(cut, loss, ["kill", "p1", 950, 1_500]), [], "the holder itself");
  assert.deepEqual(rulesOf(cut, loss, ["kill", "p2", 9_000, 9_500]), [], "long after");
  assert.deepEqual(rulesOf(cut, loss, ["flushall", "store", 1_500, 1_500]), ["S1", "S1"]);
});

test("tokens may fall back only when the store has forgotten them and its clock is behind", () => {
  assert.deepEqual(rulesOf(["store-clock", "store", 0, 100], ["flushall", "store", 500, 500]), ["S2", "S1"]);
  assert.deepEqual(rulesOf(["flushall", "store", 0, 0], ["store-clock", "store", 500, 600]), []);
});

test("the begins and ends of one kind on one target are matched in their order", () => {
  const history = historyOf(["freeze", "p1", 0, 300], ["freeze", "p1", 100, 400], ["freeze", "p2", 50, 60]);
  const intervals = intervalsOf(history).map(({ target, fromMs, toMs }) => [target, fromMs, toMs]);
  assert.deepEqual(intervals, [
    ["p1", 0, 300],
    ["p2", 50, 60],
    ["p1", 100, 400],
  ]);
});
