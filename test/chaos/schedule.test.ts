import assert from "node:assert/strict";
import { test } from "node:test";
import { faultKinds, specOf, type FaultKind } from "./kinds.js";
import { makeSchedule, parseSchedule, printSchedule } from "./schedule.js";
import { tiersBackend } from "./tiers-backend.js";

const plan = { backend: "redis", kinds: faultKinds };

test("a seed gives one schedule, and another seed another", () => {
  assert.deepEqual(makeSchedule(7, plan), makeSchedule(7, plan));
  assert.notDeepEqual(makeSchedule(7, plan).faults, makeSchedule(8, plan).faults);
});

test("a schedule survives being written down", () => {
  const schedule = makeSchedule(7, plan);
  assert.deepEqual(parseSchedule(JSON.stringify(schedule)), schedule);
  assert.throws(() => parseSchedule(JSON.stringify({ ...schedule, fleet: "royal" })), /royal/);
  const faults = [{ ...schedule.faults[0], kind: "meteor" }];
  assert.throws(() => parseSchedule(JSON.stringify({ ...schedule, faults })), /meteor/);
});

test("faults end with the schedule, hit what there is, and every kind comes up", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const { faults, durationMs, processes } = makeSchedule(seed, plan);
    const names = Array.from({ length: processes }, (_, i) => `p${i + 1}`);
    for (const fault of faults) {
      seen.add(fault.kind);
      assert.ok(fault.atMs + fault.durationMs <= durationMs, printSchedule(makeSchedule(seed, plan)));
      const { on } = specOf(fault.kind);
      const targets = on === "store" ? ["store"] : on === "link" ? [...names, "all"] : names;
      assert.ok(targets.includes(fault.target), `${fault.kind} of ${fault.target}`);
    }
  }
  assert.deepEqual([...seen].toSorted(), faultKinds.toSorted());
});

test("of two stores each is hit alone and both together, and so are the links to them", () => {
  const ofProcesses = faultKinds.filter((kind) => specOf(kind).on === "process");
  const kinds: readonly FaultKind[] = [...ofProcesses, ...tiersBackend.kinds];
  const hits = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const schedule = makeSchedule(seed, { backend: "tiers", kinds, second: tiersBackend.second });
    assert.deepEqual(parseSchedule(JSON.stringify(schedule)), schedule);
    for (const fault of schedule.faults) {
      const { on } = specOf(fault.kind);
      hits.add(`${schedule.theme === "changes" ? "changes" : "others"} ${on} ${fault.store ?? "both"}`);
      assert.ok(fault.atMs + fault.durationMs <= schedule.durationMs, printSchedule(schedule));
      assert.ok(kinds.includes(fault.kind), fault.kind);
      if (on === "store" && fault.store !== 1) assert.ok(tiersBackend.second!.includes(fault.kind), fault.kind);
    }
  }
  const all = ["store 1", "store 2", "store both", "link 1", "link 2", "process both"];
  const others = [...all, "link both"].map((hit) => `others ${hit}`);
  assert.deepEqual([...hits].toSorted(), [...all.map((hit) => `changes ${hit}`), ...others].toSorted());
});

test("durations lie on both sides of every limit, short ones in the majority", () => {
  const durations = Array.from({ length: 200 }, (_, seed) => makeSchedule(seed, { ...plan, kinds: ["freeze"] }))
    .flatMap(({ faults }) => faults)
    .map(({ durationMs }) => durationMs);
  const share = (from: number, to: number): number =>
    durations.filter((ms) => ms >= from && ms < to).length / durations.length;
  assert.ok(share(0, 300) > 0.2 && share(300, 1_000) > 0.2 && share(1_000, 4_000) > 0.2);
  assert.ok(share(0, 1_000) > share(1_000, 4_000));
});

test("the list shows time, kind, target, duration and value", () => {
  const faults = [{ atMs: 5, kind: "latency" as const, target: "p1", durationMs: 100, value: 30 }];
  assert.match(printSchedule({ ...makeSchedule(7, plan), faults }), /1 faults\n {2}\[5, "latency", "p1", 100, 30\]$/);
});

test("some schedules on a store with replicas ask them to acknowledge, with the same faults as without", () => {
  const seeds = Array.from({ length: 200 }, (_, seed) => seed);
  const asked = seeds.map((seed) => makeSchedule(seed, { ...plan, replicas: 2 }));
  const count = asked.filter(({ replicas }) => replicas === 2).length;
  assert.ok(count > 40 && count < 80, `${count} of 200`);
  const { replicas: _, ...rest } = asked.find(({ replicas }) => replicas)!;
  assert.deepEqual(rest, makeSchedule(rest.seed, plan));
});
