import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent } from "../history/history.js";
import { makeSchedule } from "./schedule.js";
import { judge, type Evidence, type Verdict } from "./verdict.js";

const schedule = { ...makeSchedule(1, { backend: "redis", kinds: ["freeze"] }), fleet: "fast" as const };
const of = { key: "job-1", process: "p1.1", attempt: 1 };
const lost = [
  { ...of, kind: "acquire-called", atMs: 1_000 },
  { ...of, kind: "acquired", atMs: 1_010, token: 5 },
  { ...of, kind: "aborted", atMs: 9_000, token: 5, code: "unreachable" },
] as const satisfies HistoryEvent[];

function verdictOf(history: readonly HistoryEvent[], changed: Partial<Evidence> = {}): Verdict {
  const times = { healedAtMs: 100_000, restAtMs: 101_000, ghosts: { atMs: 101_500, holders: [] } };
  return judge({ schedule, history, found: [], finalValues: [], depositions: [], starved: [], ...times, ...changed });
}

function rulesOf(history: readonly HistoryEvent[], changed: Partial<Evidence> = {}): string[] {
  return verdictOf(history, changed).violations.map(({ rule }) => rule);
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
  const lostLate = lost.map((event) => (event.kind === "aborted" ? { ...event, atMs: 70_000 } : event));
  const series = [...fault("store-freeze", "store", 5_000, 50_000), ...fault("store-pause", "store", 49_000, 69_900)];
  assert.deepEqual(rulesOf([...lostLate, ...series]), []);
  assert.match(verdictOf([...lostLate, ...series]).excused[0]?.why ?? "", /away/);
});

test("a store that is replaced twice within a window may cost a lease, and once may not", () => {
  const once = fault("cluster-failover", "store", 5_000, 5_400);
  const late = fault("cluster-kill", "store", 9_000, 9_500);
  const hurried = fault("cluster-kill", "store", 5_600, 6_000);
  assert.deepEqual(rulesOf([...lost, ...once, ...late]), ["L4"]);
  assert.deepEqual(rulesOf([...lost, ...once, ...hurried]), []);
});

test("where the machine let nobody run, what takes time is not judged, and what is safe is", () => {
  const starved = [{ fromMs: 8_000, toMs: 8_500 }];
  const { violations, excused } = verdictOf(lost, { starved });
  assert.deepEqual(violations, []);
  assert.deepEqual(
    excused.map(({ violation, why }) => [violation.rule, why]),
    [["L4", "the machine let nobody run"]],
    "what is not judged is told",
  );
  const found = [{ rule: "S1", atMs: 9_000, what: "two at once" }];
  assert.deepEqual(rulesOf([], { starved, found }), ["S1"]);
});

test("what the store holds for a living process when no job runs is a ghost", () => {
  const ghosts = { atMs: 101_500, holders: [{ key: "job-1", token: 9, session: "s" }] };
  assert.deepEqual(rulesOf([{ kind: "started", atMs: 1, process: "p1.1" }], { ghosts }), ["S5"]);
  const later = [{ kind: "closed", atMs: 102_000, process: "p1.1", tookMs: 1 }] satisfies HistoryEvent[];
  const held = [{ ...of, kind: "acquired", atMs: 50_000, token: 9 }] satisfies HistoryEvent[];
  assert.deepEqual(rulesOf([...held, ...later], { ghosts }), [], "a job has it, and ends later");
});

test("a loser in calm is told within 50 ms, on a busy machine within 300", () => {
  const other = { key: "job-1", process: "p2.1", attempt: 1 };
  const taken = (toldMs: number): HistoryEvent[] => [
    ...lost.slice(0, 2),
    { ...other, kind: "acquire-called", atMs: 8_000 },
    { ...other, kind: "acquired", atMs: 8_100, token: 7 },
    { ...of, kind: "aborted", atMs: toldMs, token: 5, code: "taken-over" },
    ...fault("half-open-both", "p1", 3_000, 5_390),
  ];
  assert.ok(!rulesOf(taken(8_145)).includes("L3"));
  assert.ok(rulesOf(taken(8_200)).includes("L3"));
  assert.ok(!rulesOf(taken(8_200), { starved: [{ fromMs: 1, toMs: 200 }] }).includes("L3"));
  assert.ok(rulesOf(taken(8_500), { starved: [{ fromMs: 1, toMs: 200 }] }).includes("L3"));
});

test("two masters at a time are no excuse where all replicas must acknowledge", () => {
  const found = [{ rule: "S1", atMs: 3_050, what: "two at once" }];
  const history = fault("two-masters", "store", 3_000, 3_100);
  assert.deepEqual(rulesOf(history, { found }), []);
  assert.deepEqual(rulesOf(history, { found, schedule: { ...schedule, replicas: 2 } }), ["S1"]);
});
