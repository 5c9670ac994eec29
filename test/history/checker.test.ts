// The checker on histories written by hand: good ones that look bad, and for every rule a bad one.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { checkHistory, type CheckerRules } from "./checker.js";
import { formatViolations } from "./format.js";
import type { HistoryEvent } from "./history.js";
import { summarize } from "./summarize.js";

type Lines = HistoryEvent[];
const of = (process: string, attempt = 1) => ({ process, key: "k", attempt });
const called = (atMs: number, process: string, attempt = 1): Lines => [
  { kind: "acquire-called", atMs, ...of(process, attempt) },
];
const acquired = (atMs: number, process: string, token: number, attempt = 1): Lines => [
  { kind: "acquired", atMs, token, ...of(process, attempt) },
];
const got = (atMs: number, process: string, token: number, attempt = 1): Lines => [
  ...called(atMs - 1, process, attempt),
  ...acquired(atMs, process, token, attempt),
];
const check = (
  atMs: number,
  afterMs: number,
  process: string,
  token: number,
  answer: "yes" | "lost" = "yes",
): Lines => [{ kind: "check", atMs, afterMs, answer, token, ...of(process) }];
const released = (atMs: number, process: string, token: number): Lines => [
  { kind: "release-called", atMs, token, ...of(process) },
  { kind: "released", atMs: atMs + 1, token, heldToTheEnd: true, ...of(process) },
];
const aborted = (atMs: number, process: string, token: number, code = "taken-over"): Lines => [
  { kind: "aborted", atMs, token, code, ...of(process) },
];
const write = (atMs: number, process: string, token: number, value: number, accepted = true): Lines => [
  { kind: "write", atMs, token, value, accepted, fenced: true, ...of(process) },
];
const fault = (fromMs: number, toMs: number, target: string): Lines => [
  { kind: "fault", process: "harness", fault: "freeze", target, atMs: fromMs, begins: true },
  { kind: "fault", process: "harness", fault: "freeze", target, atMs: toMs, begins: false },
];
const killed = (atMs: number, process: string): Lines => [{ kind: "killed", atMs, process }];
const busy = (atMs: number, process: string, holderToken: number, attempt = 1): Lines => [
  { kind: "busy", atMs, holderToken, ...of(process, attempt) },
];
const end = (atMs: number): Lines => [{ kind: "started", atMs, process: "last" }];

const good: Record<string, [Lines[], CheckerRules?]> = {
  "a stale grant logged by a resumed process": [
    [
      ...[called(1, "a"), fault(2, 90, "a"), got(50, "b", 20), check(60, 61, "b", 20)],
      ...[acquired(91, "a", 10), check(92, 93, "a", 10, "lost")],
    ],
    { judgesLosses: true, aftermathMs: 10 },
  ],
  "a loss by a fault that is told long after, since the holder was blocked": [
    [
      ...[got(1, "a", 10), check(40, 41, "a", 10), fault(45, 50, "a")],
      ...[got(70, "b", 20), check(71, 72, "b", 20), aborted(400, "a", 10, "taken-over")],
    ],
    { judgesLosses: true, aftermathMs: 10 },
  ],
  "checks that overlap": [
    [got(1, "a", 10), check(2, 40, "a", 10), got(30, "b", 20), check(31, 60, "b", 20), check(29, 70, "a", 10)],
  ],
  "a yes asked for right before a grant": [
    [got(1, "a", 10), check(30, 30, "a", 10), got(30, "b", 20), check(31, 32, "b", 20)],
  ],
  "faults shared by all": [
    [got(1, "a", 10), fault(5, 500, "store"), aborted(505, "a", 10, "session-condemned"), got(900, "b", 20)],
    { judgesLosses: true, aftermathMs: 20, noticeMs: 50, takeoverMs: 100 },
  ],
  "two acquires under way, logged in the other order": [
    [called(1, "a"), called(2, "b"), acquired(5, "b", 20), acquired(6, "a", 10)],
  ],
  "a write that is logged late": [[got(1, "a", 10), got(20, "b", 20), write(25, "b", 20, 2), write(30, "a", 10, 1)]],
  "an older holder refused": [[got(1, "a", 10), got(20, "b", 20), write(25, "b", 20, 1), write(30, "a", 10, 1, false)]],
  "a takeover in time": [
    [got(1, "a", 10), killed(5, "a"), called(6, "b"), acquired(90, "b", 20), end(900)],
    { takeoverMs: 100 },
  ],
  "a takeover late after a fault of the contender": [
    [got(1, "a", 10), killed(5, "a"), called(6, "b"), fault(80, 300, "b"), acquired(390, "b", 20), end(900)],
    { takeoverMs: 100 },
  ],
  "a contender that was granted a dead one's key and died before it knew": [
    [
      ...[got(1, "a", 10), killed(5, "a"), called(6, "b"), called(7, "c")],
      ...[killed(80, "c"), acquired(150, "b", 30), end(900)],
    ],
    { takeoverMs: 100 },
  ],
  "a key held by the living through the heal phase": [
    [got(1, "a", 10), called(150, "b"), end(900)],
    { healedAtMs: 100, healMs: 200 },
  ],
};

const bad: Record<string, [string, Lines[], CheckerRules?]> = {
  "a yes after a larger token": ["S1", [got(1, "a", 10), got(30, "b", 20), check(31, 32, "a", 10)]],
  "a yes within another's hold, tokens falling": [
    "S1",
    [called(0, "a"), called(0, "b"), check(2, 3, "a", 20), check(5, 6, "b", 10), check(8, 9, "a", 20)],
  ],
  "a token given twice": ["S2", [got(1, "a", 10), released(2, "a", 10), got(30, "b", 10)]],
  "a token that falls": ["S2", [got(1, "a", 20), released(2, "a", 20), got(30, "b", 10)]],
  "a token that is none": ["S2", [got(1, "a", 2 ** 53)]],
  "an older token accepted": [
    "fence",
    [got(1, "a", 10), got(20, "b", 20), write(25, "b", 20, 1), write(30, "a", 10, 2), write(31, "a", 10, 3)],
  ],
  "the rightful refused": ["S2", [got(1, "a", 10), write(30, "a", 10, 1, false)]],
  "a lost fenced update": ["fence", [got(1, "a", 10), write(30, "a", 10, 1), write(31, "a", 10, 1)]],
  "a counter below its writes": [
    "fence",
    [got(1, "a", 10), write(30, "a", 10, 1), write(31, "a", 10, 2)],
    { finalValues: [{ key: "k", fenced: true, value: 1 }] },
  ],
  "a living session condemned": [
    "S4",
    [got(1, "a", 10), fault(1, 9, "b"), aborted(30, "a", 10, "session-condemned")],
    { judgesLosses: true },
  ],
  "a job lost to bad weather": [
    "S4",
    [got(1, "a", 10), fault(2, 90, "a"), aborted(30, "a", 10)],
    { judgesLosses: true, excusesLoss: () => false },
  ],
  "a lost lease in calm": ["L4", [got(1, "a", 10), check(30, 31, "a", 10, "lost")], { judgesLosses: true }],
  "a ghost": ["S5", [got(1, "a", 10), released(2, "a", 10)], { finalHolders: [{ key: "k", token: 10 }] }],
  "a crash": ["S6", [[{ kind: "crashed", atMs: 1, process: "a", error: "unhandled" }]]],
  "a dead one nobody replaces": [
    "L1",
    [got(1, "a", 10), killed(5, "a"), called(6, "b"), end(900)],
    { takeoverMs: 100 },
  ],
  "busy with the dead": [
    "L1",
    [got(1, "a", 10), killed(5, "a"), called(200, "b"), busy(201, "b", 10), end(900)],
    { takeoverMs: 100 },
  ],
  "a loser that is not told": ["L3", [got(1, "a", 10), got(30, "b", 20), end(900)], { noticeMs: 50 }],
  "a key that does not heal": ["L5", [called(150, "b"), end(900)], { healedAtMs: 100, healMs: 200 }],
  "a key that nobody gets after its holder let go": [
    "L5",
    [got(1, "a", 10), called(150, "b"), released(160, "a", 10), end(900)],
    { healedAtMs: 100, healMs: 200 },
  ],
  "a failure in the calm": [
    "L5",
    [called(400, "b"), [{ kind: "acquire-failed", atMs: 410, error: "StoreError", ...of("b") }]],
    { healedAtMs: 100, healMs: 200 },
  ],
  "a slow close": ["close", [[{ kind: "closed", atMs: 1, process: "a", tookMs: 101 }]], { closeMs: 100 }],
};

for (const [name, [lines, rules]] of Object.entries(good)) {
  test(`nothing is wrong with ${name}`, () => assert.deepEqual(checkHistory(lines.flat(), rules), []));
}

for (const [name, [rule, lines, rules]] of Object.entries(bad)) {
  test(`${rule} finds ${name}`, () => {
    const found = checkHistory(lines.flat(), rules);
    assert.ok(found.length > 0, "nothing was found");
    assert.deepEqual([...new Set(found.map((one) => one.rule))], [rule], JSON.stringify(found));
  });
}

type Turn = { waitMs: number; stampMs: number; checks: number };
const turns = fc.array(fc.record({ waitMs: fc.nat(20), stampMs: fc.nat(30), checks: fc.integer({ min: 1, max: 4 }) }), {
  minLength: 2,
  maxLength: 30,
});

/** Grants one after another; every stamp lies around its instant by some delay, as with a process that is preempted. */
function modelLock(list: readonly Turn[]): { events: Lines; grantedMs: number[] } {
  const grantedMs: number[] = [];
  let nowMs = 1;
  const events = list.flatMap(({ waitMs, stampMs, checks }, at) => {
    const [process, token] = [`p${at % 3}`, 100 + at];
    const base = { process, key: "k", attempt: at };
    const calledMs = nowMs - stampMs;
    grantedMs.push((nowMs += 1 + waitMs));
    const lines: Lines = [
      { kind: "acquire-called", atMs: calledMs, ...base },
      { kind: "acquired", atMs: nowMs + stampMs, token, ...base },
    ];
    for (let i = 0; i < checks; i++) {
      nowMs += 1 + waitMs;
      lines.push({
        kind: "check",
        atMs: nowMs - (stampMs % (1 + waitMs)),
        afterMs: nowMs + stampMs,
        answer: "yes",
        token,
        ...base,
      });
    }
    return lines;
  });
  return { events, grantedMs };
}

test("a correct lock never alarms, however its stamps are delayed", () => {
  fc.assert(fc.property(turns, (list) => assert.deepEqual(checkHistory(modelLock(list).events), [])));
});

test("a yes moved past the next grant always alarms", () => {
  fc.assert(
    fc.property(turns, fc.nat(), (list, choice) => {
      const { events } = modelLock(list);
      const at = choice % (list.length - 1);
      const next = events.find((event) => event.kind === "acquired" && event.attempt === at + 1)!;
      const moved = events.findIndex((event) => event.kind === "check" && event.attempt === at);
      const yes = { ...events[moved]!, atMs: next.atMs + 0.5, afterMs: next.atMs + 1 } as HistoryEvent;
      const found = checkHistory(events.with(moved, yes));
      assert.ok(found.some(({ rule }) => rule === "S1"));
    }),
  );
});

test("figures are counted and the first violation is shown with its surroundings", () => {
  const lines = [
    got(1, "a", 10),
    fault(2, 3, "b"),
    killed(5, "a"),
    got(30, "b", 20),
    check(31, 32, "b", 20),
    write(33, "b", 20, 1),
  ];
  const history = [...lines, write(34, "b", 20, 1), end(900)].flat();
  const { grants, takeovers, lostUpdates, faults } = summarize(history);
  assert.deepEqual([grants, takeovers, faults], [2, { count: 1, p50Ms: 25, worstMs: 25 }, { freeze: 1 }]);
  assert.deepEqual(lostUpdates, { fenced: 1, unfenced: 0 });
  const text = formatViolations(checkHistory(history), history);
  assert.match(text, /^fence of k: 1 acknowledged fenced updates are lost\n/);
  assert.match(text, /-32\.000 {2}!! +b +freeze .*begins/);
  assert.match(text, />>> fence at 34\.000\n +0\.000 +b +k +write +20 /);
});

test("a long history is judged in little time", () => {
  const list = Array.from({ length: 20_000 }, () => ({ waitMs: 3, stampMs: 2, checks: 3 }));
  const startedMs = performance.now();
  assert.deepEqual(checkHistory(modelLock(list).events, { noticeMs: 1e9, takeoverMs: 10, judgesLosses: true }), []);
  assert.ok(performance.now() - startedMs < 5_000);
});
