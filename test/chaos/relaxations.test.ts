import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent } from "../history/history.js";
import { intervalsOf, relaxationsOf, shareRelaxed, whyNotDemanded, type Deposition } from "./relaxations.js";

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
  for (const kind of ["cluster-kill", "cluster-failover", "cluster-freeze", "slot-move", "slot-half"]) {
    assert.deepEqual(keysRelaxed([cut, [kind, "store", 1_000, 3_500], ["kill", "p2", 950, 1_500]]), [], kind);
  }
  assert.deepEqual(rulesOf(["store-clock", "store", 0, 100]), []);
});

test("a promoted replica that lacks writes relaxes mutual exclusion for a while", () => {
  const relaxed = relaxationsOf(historyOf(["failover-lagging", "store", 100, 200]));
  assert.deepEqual(
    relaxed.map(({ rule, fromMs, toMs }) => [rule, fromMs, toMs]),
    [["S1", 100, 3_200]],
  );
  const why = (rule: string, atMs: number) => whyNotDemanded({ rule, atMs, what: "two at once" }, relaxed);
  assert.deepEqual([why("S1", 50), why("S1", 4_000), why("S2", 150)], [undefined, undefined, undefined]);
  assert.match(why("S1", 3_000) ?? "", /lacks the last writes/);
  assert.match(why("release", 3_000) ?? "", /lacks/, "who was robbed is told that it held to the end");
  assert.match(why("Q4", 3_000) ?? "", /lacks/, "a permit of the old primary, and one of the new");
});

test("what sentinels decide relaxes nothing but while two masters were used", () => {
  const replaced: [string, string, number, number][] = [
    ["master-freeze", "store", 0, 3_000],
    ["promotion", "store", 1_500, 1_540],
    ["master-lagging", "store", 4_000, 6_000],
    ["promotion", "store", 5_500, 5_540],
    ["sentinel-freeze", "store", 5_500, 8_000],
  ];
  assert.deepEqual(rulesOf(...replaced), [], "one master after the other");
  const relaxed = relaxationsOf(historyOf(...replaced, ["two-masters", "store", 3_000, 3_100]));
  assert.deepEqual(
    relaxed.map(({ rule, fromMs, toMs, keys }) => [rule, fromMs, toMs, keys]),
    [["S1", 3_000, 6_100, undefined]],
  );
});

const cut: [string, string, number, number] = ["refuse", "p1", 0, 900];
const loss: [string, string, number, number] = ["store-empty", "store", 1_000, 1_200];

/** Its key goes to p2 while p1 is cut off, and p2 wrote down that it condemned p1. */
function robbed(atMs = 800): HistoryEvent[] {
  const of = (process: string) => ({ key: "k", process: `${process}.1`, attempt: 1 });
  return [
    { kind: "acquire-called", atMs: -20, ...of("p1") },
    { kind: "acquired", atMs: -10, token: 10, ...of("p1") },
    { kind: "acquire-called", atMs: atMs - 1, ...of("p2") },
    { kind: "acquired", atMs, token: 20, ...of("p2") },
  ];
}
const byP2: Deposition[] = [{ atMs: 790, by: "p2.1", victim: "p1.1" }];

test("what an old master executed after the promotion is lost, a condemnation for one", () => {
  const alone: [string, string, number, number] = ["kill", "p2", 900, 2_000];
  assert.deepEqual(keysRelaxed([cut, ["lost-writes", "store", 1_000, 1_050], alone]), [["k"]]);
  assert.deepEqual(keysRelaxed([cut, ["lost-writes", "store", 1_000, 1_050]]), [], "p2 tells it again");
  assert.deepEqual(keysRelaxed([cut, ["promotion", "store", 1_000, 1_050], alone]), [], "nothing was lost");
});

function keysRelaxed(
  faults: Parameters<typeof historyOf>,
  events: HistoryEvent[] = robbed(),
  depositions = byP2,
): string[][] {
  return relaxationsOf([...historyOf(...faults), ...events], depositions).map(({ keys }) => [...(keys ?? ["all"])]);
}

test("a loss after a partition relaxes it only when the condemner is gone, too, or a second loss follows", () => {
  assert.deepEqual(keysRelaxed([cut, loss, ["kill", "p2", 950, 1_500]]), [["k"]]);
  assert.deepEqual(keysRelaxed([cut, loss, ["kill", "p1", 950, 1_500]]), [], "the holder itself");
  assert.deepEqual(keysRelaxed([cut, loss, ["kill", "p2", 9_000, 9_500]]), [], "long after");
  assert.deepEqual(keysRelaxed([cut, loss, ["kill", "p3", 950, 1_500]]), [], "it had condemned nobody");
  assert.deepEqual(keysRelaxed([cut, loss, ["flushall", "store", 1_500, 1_500]]), [["k"], ["k"]]);
});

test("a cluster's master that restarts empty or is cut off loses as much as any other store", () => {
  for (const kind of ["cluster-empty", "cluster-split"]) {
    const lost: typeof loss = [kind, "store", 1_000, 1_200];
    assert.deepEqual(keysRelaxed([cut, lost]), [], "the condemner is there");
    assert.deepEqual(keysRelaxed([cut, lost, ["kill", "p2", 950, 1_500]]), [["k"]]);
  }
});

test("it relaxes nothing for keys that were not taken, or were given back before", () => {
  const gone: [string, string, number, number] = ["kill", "p2", 950, 1_500];
  assert.deepEqual(keysRelaxed([cut, loss, gone], []), []);
  assert.deepEqual(keysRelaxed([cut, loss, gone], robbed().slice(0, 2)), []);
  assert.deepEqual(keysRelaxed([cut, loss, gone], robbed(5_000)), [], "taken long after");
  const of = { key: "k", process: "p1.1", attempt: 1, token: 10 };
  const givenBack: HistoryEvent[] = [...robbed(), { kind: "release-called", atMs: 500, ...of }];
  assert.deepEqual(keysRelaxed([cut, loss, gone], givenBack), []);
  assert.deepEqual(keysRelaxed([cut, loss, gone], robbed(), []), [["k"]], "who condemned it was not written down");
});

test("only the keys of the hole are relaxed, and the share of that time is told", () => {
  const history = [...historyOf(cut, loss, ["kill", "p2", 950, 1_500]), ...robbed()];
  const relaxed = relaxationsOf(history, byP2);
  const violation = { rule: "S1", atMs: 2_000, what: "two at once" };
  assert.match(whyNotDemanded({ ...violation, key: "k" }, relaxed) ?? "", /store-empty right after refuse of p1/);
  assert.equal(whyNotDemanded({ ...violation, key: "other" }, relaxed), undefined);
  assert.equal(shareRelaxed(relaxed, ["k", "other"], { fromMs: 0, toMs: 6_400 }), 0.25);
});

test("tokens may fall back only when the store has forgotten them and its clock is behind", () => {
  const step = (value: number, fromMs: number, toMs: number): HistoryEvent[] =>
    historyOf(["store-clock", "store", fromMs, toMs]).map((event) => ({ ...event, value }) as HistoryEvent);
  const forgets = historyOf(["flushall", "store", 500, 500]);
  const untilOf = (...events: HistoryEvent[]): [string, number][] =>
    relaxationsOf(events.toSorted((a, b) => a.atMs - b.atMs)).map(({ rule, toMs }) => [rule, toMs]);
  const [back, forward] = [step(-300, 400, 9_000), step(300, 0, 400)];
  const until3_8: [string, number][] = [
    ["S2", 3_800],
    ["S1", 3_800],
  ];
  assert.deepEqual(untilOf(...forgets, ...back), until3_8);
  assert.deepEqual(untilOf(...forgets, ...forward), until3_8, "it had been ahead");
  assert.deepEqual(untilOf(...forgets, ...step(300, 400, 9_000)), [], "it is ahead");
  assert.deepEqual(untilOf(...forgets, ...step(-300, 0, 400)), [], "it was behind");
  assert.deepEqual(untilOf(...forgets, ...step(-300, 5_000, 5_100)), [], "later");
});

test("where the wall clock of who makes a store is its clock, tokens may fall back by a step of that", () => {
  const steps = (["p1", "p2"] as const).flatMap((place, i) =>
    historyOf(["client-clock", place, 400, 9_000]).map((event) => ({ ...event, value: i * -200 }) as HistoryEvent),
  );
  const events = [...historyOf(["store-empty", "store", 500, 500]), ...steps].toSorted((a, b) => a.atMs - b.atMs);
  assert.deepEqual(
    relaxationsOf(events, [], true).map(({ rule, toMs }) => [rule, toMs]),
    [
      ["S2", 3_700],
      ["S1", 3_700],
    ],
  );
  assert.deepEqual(relaxationsOf(events), [], "a server has a clock of its own");
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
