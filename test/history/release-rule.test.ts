// "release" on histories written by hand: who was told that it held its lease to the end, and whether it did.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHistory } from "./checker.js";
import type { HistoryEvent } from "./history.js";

const of = (process: string) => ({ process, key: "k", attempt: 1 });
const got = (atMs: number, process: string, token: number): HistoryEvent[] => [
  { kind: "acquire-called", atMs: atMs - 1, ...of(process) },
  { kind: "acquired", atMs, token, ...of(process) },
];
const released = (calledMs: number, atMs: number, process: string, token: number, held = true): HistoryEvent[] => [
  { kind: "release-called", atMs: calledMs, token, ...of(process) },
  { kind: "released", atMs, token, heldToTheEnd: held, ...of(process) },
];
const rulesOf = (...lines: HistoryEvent[][]): string[] => checkHistory(lines.flat()).map(({ rule }) => rule);

test("a lease that was taken before its release was called was not held to the end", () => {
  assert.deepEqual(rulesOf(got(1, "a", 10), got(30, "b", 20), released(40, 41, "a", 10)), ["release"]);
  const told = released(40, 41, "a", 10, false);
  assert.deepEqual(rulesOf(got(1, "a", 10), got(30, "b", 20), told), [], "nobody says that it was");
});

test("a release that was called before the next grant may end after it", () => {
  assert.deepEqual(rulesOf(got(1, "a", 10), released(20, 40, "a", 10), got(30, "b", 20)), []);
  assert.deepEqual(rulesOf(got(1, "a", 10), released(20, 21, "a", 10), got(30, "b", 20)), []);
  assert.deepEqual(rulesOf(got(1, "b", 20), got(10, "a", 30), released(20, 21, "a", 30)), [], "the larger is its own");
});
