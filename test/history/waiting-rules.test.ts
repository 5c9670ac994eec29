// The rules of modes, permits and order, on histories written by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHistory, type CheckerRules } from "./checker.js";
import type { HistoryEvent, LeaseMode, PermitsTaken } from "./history.js";

type Lines = HistoryEvent[];
type Mode = { readonly mode?: LeaseMode; readonly permits?: PermitsTaken };
const of = (process: string, attempt = 1) => ({ process, key: "k", attempt });
const called = (atMs: number, process: string, attempt = 1): Lines => [
  { kind: "acquire-called", atMs, waits: true, ...of(process, attempt) },
];
const got = (atMs: number, process: string, token: number, mode: Mode = {}, attempt = 1): Lines => [
  { kind: "acquired", atMs, token, ...mode, ...of(process, attempt) },
];
const yes = (atMs: number, process: string, token: number, attempt = 1): Lines => [
  { kind: "check", atMs, afterMs: atMs + 0.5, answer: "yes", token, ...of(process, attempt) },
];
const released = (atMs: number, process: string, token: number, attempt = 1): Lines => [
  { kind: "release-called", atMs, token, ...of(process, attempt) },
];
const fault = (fromMs: number, toMs: number, target: string): Lines => [
  { kind: "fault", process: "harness", fault: "freeze", target, atMs: fromMs, begins: true },
  { kind: "fault", process: "harness", fault: "freeze", target, atMs: toMs, begins: false },
];
const shared: Mode = { mode: "shared" };
const some = (take: number): Mode => ({ mode: "permits", permits: { take, limit: 3 } });
const jump = [called(1, "a"), called(500, "b"), got(600, "b", 20), got(900, "a", 30)];

const good: Record<string, [Lines[], CheckerRules?]> = {
  "readers beside each other under one token": [
    [got(1, "a", 10, shared), yes(2, "a", 10), got(3, "b", 10, shared), yes(4, "b", 10), yes(5, "a", 10)],
  ],
  "a writer after the last reader": [
    [got(1, "a", 10, shared), yes(2, "a", 10), released(3, "a", 10), got(5, "b", 20), yes(6, "b", 20)],
  ],
  "as many permits as there are, taken again when some come back": [
    [
      ...[got(1, "a", 0, some(2)), yes(2, "a", 0), got(3, "b", 0, some(1)), yes(4, "b", 0), yes(9, "a", 0)],
      ...[got(10, "c", 0, some(2)), yes(11, "c", 0), yes(20, "c", 0), yes(21, "b", 0)],
    ],
  ],
  "a permit that was lost to a fault, and a later one of the same process": [
    [
      ...[got(1, "a", 0, some(1)), yes(2, "a", 0), fault(3, 9, "a")],
      ...[[{ kind: "aborted", atMs: 30, token: 0, code: "session-condemned", ...of("a") }] as Lines],
      ...[got(900, "a", 0, some(1), 2), yes(901, "a", 0, 2)],
    ],
    { judgesLosses: true },
  ],
  "a reader that dies beside one that goes on": [
    [
      ...[got(1, "a", 10, shared), got(1, "b", 10, shared), [{ kind: "killed", atMs: 5, process: "a" }] as Lines],
      ...[called(6, "c"), yes(900, "b", 10)],
    ],
    { takeoverMs: 100 },
  ],
  "one that asked a moment later and was served before": [jump, { orderMs: 600 }],
  "a waiter that was frozen meanwhile": [[...jump, fault(20, 30, "a")], { orderMs: 300 }],
  "a process whose other job had waited before": [
    [called(0, "b", 2), ...jump, got(550, "b", 15, {}, 2), released(560, "b", 15, 2)],
    { orderMs: 300 },
  ],
  "one that does not queue, but looks for whether the holder is dead": [
    [[{ kind: "acquire-called", atMs: 1, ...of("a") }], ...jump.slice(1)],
    { orderMs: 300 },
  ],
  "one that had given up by then": [
    [called(1, "a"), called(500, "b"), [{ kind: "busy", atMs: 590, holderToken: 1, ...of("a") }], got(600, "b", 20)],
    { orderMs: 300 },
  ],
};

const bad: Record<string, [string, Lines[], CheckerRules?]> = {
  "a reader's yes after a writer was granted the key": [
    "S1",
    [got(1, "a", 10, shared), got(2, "b", 10, shared), got(5, "c", 20), yes(6, "b", 10)],
  ],
  "a writer within a period of readers, tokens falling": [
    "S1",
    [
      ...[called(0, "a"), called(0, "b"), called(0, "c"), yes(8, "c", 20), got(20, "a", 30, shared)],
      ...[yes(2, "a", 30), got(21, "b", 30, shared), yes(12, "b", 30)],
    ],
  ],
  "readers of different periods at one time": [
    "S1",
    [got(1, "a", 10, shared), got(2, "b", 20, shared), yes(6, "b", 20), yes(8, "a", 10)],
  ],
  "a reader and a writer under one token": ["S2", [got(1, "a", 10, shared), released(2, "a", 10), got(5, "b", 10)]],
  "permits under a token": ["S2", [got(1, "a", 7, some(1))]],
  "more permits than there are": [
    "Q4",
    [
      ...[got(1, "a", 0, some(2)), yes(2, "a", 0), got(3, "b", 0, some(2)), yes(4, "b", 0)],
      ...[yes(9, "a", 0), yes(9, "b", 0)],
    ],
  ],
  "one that is passed over while it waits": ["Q1", jump, { orderMs: 300 }],
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
