import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitGraph, type Task } from "./wait-graph.js";

class Stage {
  nowMs = 0;
  readonly rules: string[] = [];
  readonly graph = new WaitGraph(
    (rule) => this.rules.push(rule),
    () => this.nowMs,
  );
  readonly dead = new Set<string>();
  readonly lease = { a: { key: "a", state: "held" }, b: { key: "b", state: "held" } };

  task(who: string): Task {
    return { who, isDead: () => this.dead.has(who) };
  }

  /** One holds a and waits for b, the other the reverse. */
  cross() {
    const [one, other] = [this.task("p0"), this.task("p1")];
    const holds = [this.graph.holds(one, this.lease.a), this.graph.holds(other, this.lease.b)];
    return { holds, waits: [this.graph.waits(one, ["b"]), this.graph.waits(other, ["a"])] as const };
  }
  /** Looks now, and then again. */
  watch(ms: number): void {
    this.graph.watch();
    this.nowMs += ms;
    this.graph.watch();
  }
}

test("Q7: a cycle of waits that stands for more than 1.5 s in the calm is found, and once", () => {
  const stage = new Stage();
  stage.cross();
  stage.watch(1_500);
  assert.deepEqual(stage.rules, []);
  stage.watch(1);
  assert.deepEqual(stage.rules, ["Q7"]);
});

test("Q7: a cycle is over when a wait, a lease or a process of it is", () => {
  for (const end of [
    (stage: Stage, { waits }: ReturnType<Stage["cross"]>) => stage.graph.end(waits[1]),
    (stage: Stage, { holds }: ReturnType<Stage["cross"]>) => stage.graph.end(holds[0]!),
    (stage: Stage) => (stage.lease.b.state = "lost"),
    (stage: Stage) => stage.dead.add("p1"),
  ]) {
    const stage = new Stage();
    const cycle = stage.cross();
    stage.graph.watch();
    stage.nowMs = 1;
    end(stage, cycle);
    stage.watch(5_000);
    assert.deepEqual(stage.rules, []);
  }
});

test("Q7: a cycle that is broken and closed again by another wait stands from then on", () => {
  const stage = new Stage();
  const { waits } = stage.cross();
  stage.watch(1_000);
  stage.graph.end(waits[1]);
  stage.graph.waits(waits[1].task, ["a"]);
  stage.watch(1_000);
  assert.deepEqual(stage.rules, []);
});

test("Q7: a DeadlockError names a cycle that stood at one moment of the wait", () => {
  const stage = new Stage();
  const { waits } = stage.cross();
  stage.graph.onDeadlock(waits[0], ["b", "a"]);
  assert.deepEqual(stage.rules, []);
  for (const keys of [[], ["b"], ["a", "b"], ["b", "c"], ["b", "a", "b"]]) stage.graph.onDeadlock(waits[0], keys);
  assert.deepEqual(stage.rules, ["Q7", "Q7", "Q7", "Q7", "Q7"]);
});

test("Q7: waits that did not stand at the same time are no cycle", () => {
  const stage = new Stage();
  const { waits } = stage.cross();
  stage.nowMs = 10;
  stage.graph.end(waits[1]);
  stage.nowMs = 20;
  const late = stage.graph.waits(waits[0].task, ["b"]);
  stage.graph.onDeadlock(late, ["b", "a"]);
  assert.deepEqual(stage.rules, ["Q7"]);
});

test("Q7: a task that takes several keys may hold any of them and wait for any", () => {
  const stage = new Stage();
  const one = stage.task("p0");
  stage.graph.holds(one, stage.lease.a);
  const wait = stage.graph.waits(one, ["b"]);
  stage.graph.waits(stage.task("p1"), ["a", "b"]);
  stage.watch(5_000);
  stage.graph.onDeadlock(wait, ["b", "a"]);
  assert.deepEqual(stage.rules, []);
});
