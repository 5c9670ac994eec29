import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent } from "../history/history.js";
import { makeSchedule } from "./schedule.js";
import { judge, type Evidence } from "./verdict.js";

const schedule = { ...makeSchedule(1, { backend: "redis", kinds: ["freeze"] }), fleet: "fast" as const };
const of = { key: "job-1", process: "p1.1", attempt: 1 };
const lost = [
  { ...of, kind: "acquire-called", atMs: 1_000 },
  { ...of, kind: "acquired", atMs: 1_010, token: 5 },
  { ...of, kind: "aborted", atMs: 9_000, token: 5, code: "unreachable" },
] as const satisfies HistoryEvent[];

function rulesOf(history: readonly HistoryEvent[], changed: Partial<Evidence> = {}): string[] {
  const times = { healedAtMs: 20_000, closedAtMs: 21_000, starved: [] };
  return judge({ schedule, history, found: [], finalValues: [], ...times, ...changed }).violations.map(
    ({ rule }) => rule,
  );
}

function fault(name: string, target: string, fromMs: number, toMs: number): HistoryEvent[] {
  return [true, false].map((begins) => ({
    ...{ kind: "fault", process: "harness", fault: name, target, begins },
    atMs: begins ? fromMs : toMs,
  }));
}

test("a lease is lost by a fault or not at all", () => {
  assert.deepEqual(rulesOf(lost), ["L4"]);
  assert.deepEqual(rulesOf([...lost, ...fault("half-open-both", "p1", 7_000, 9_000)]), []);
  assert.deepEqual(rulesOf([...lost, ...fault("half-open-both", "p2", 7_000, 9_000)]), ["L4"]);
  assert.deepEqual(rulesOf([...lost, ...fault("block", "p1", 7_000, 9_000)]), ["L4"], "what must be survived");
});

test("a store that stands still for a while ends no lease, one that is away for as long as a lease lives does", () => {
  assert.deepEqual(rulesOf([...lost, ...fault("store-freeze", "store", 7_000, 9_000)]), ["L4"]);
  const series = [...fault("store-freeze", "store", 3_500, 5_500), ...fault("store-pause", "store", 5_000, 8_900)];
  assert.deepEqual(rulesOf([...lost, ...series]), []);
});

test("where the machine let nobody run, what takes time is not judged, and what is safe is", () => {
  const starved = [{ fromMs: 8_000, toMs: 8_500 }];
  assert.deepEqual(rulesOf(lost, { starved }), []);
  const found = [{ rule: "S1", atMs: 9_000, what: "two at once" }];
  assert.deepEqual(rulesOf([], { starved, found }), ["S1"]);
});
