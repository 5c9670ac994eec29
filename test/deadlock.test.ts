import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { CycleSearch, isStill, victimOf, type BlockedTask, type CycleStep } from "../src/deadlock.js";
import { seed } from "./support/wait.js";

type Task = BlockedTask<string>;

/** Tasks by number: which keys each holds, and for which it waits. A key has one holder at most, or several readers. */
type World = { holds: ReadonlySet<string>[]; waits: (string | undefined)[] };

const leaseOf = (task: number, key: string): string => `t${task}#${key}`;

function holdersOf({ holds }: World, key: string): Map<string, string> {
  const tasks = holds.flatMap((keys, task) => (keys.has(key) ? [task] : []));
  return new Map(tasks.map((task) => [leaseOf(task, key), `t${task}`]));
}

function blocked(world: World, task: number): Task | undefined {
  const key = world.waits[task];
  if (key === undefined) return undefined;
  return { key, waiter: `t${task}`, ticket: 100 + task, holders: holdersOf(world, key), isQueued: true };
}

function search(world: World, task: number, ending: string[] = []): readonly CycleStep<string>[] | undefined {
  const own = new Set([...world.holds[task]!].map((key) => leaseOf(task, key)));
  const found = new CycleSearch(blocked(world, task)!, own, ({ waiter }) => ending.includes(waiter));
  const seen = new Set<string>();
  while (found.unknown.length > 0) {
    const answers = new Map<string, Task[]>();
    for (const leaseId of found.unknown) {
      assert.ok(!seen.has(leaseId), `${leaseId} was asked for twice`);
      seen.add(leaseId);
      const next = blocked(world, Number(leaseId.slice(1, leaseId.indexOf("#"))));
      answers.set(leaseId, next ? [next] : []);
    }
    found.tell(answers);
  }
  return found.cycle;
}

/** By another way: which tasks can be reached from the holders of what this one waits for. */
function isInCycle(world: World, task: number): boolean {
  const reached = new Set<number>();
  const open = [task];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const key = world.waits[next];
    for (const [other, keys] of world.holds.entries()) {
      if (key === undefined || !keys.has(key) || reached.has(other)) continue;
      reached.add(other);
      open.push(other);
    }
  }
  return reached.has(task);
}

const keys = ["a", "b", "c", "d", "e", "f"];
const worlds: fc.Arbitrary<World> = fc
  .array(fc.record({ holds: fc.subarray(keys), waits: fc.option(fc.constantFrom(...keys), { nil: undefined }) }), {
    minLength: 1,
    maxLength: 7,
  })
  .map((tasks) => ({ holds: tasks.map(({ holds }) => new Set(holds)), waits: tasks.map(({ waits }) => waits) }));

test("a cycle is found if and only if the waiting task can be reached from itself", () => {
  const property = fc.property(worlds, (world) => {
    world.waits.forEach((key, task) => {
      if (key !== undefined) assert.equal(search(world, task) !== undefined, isInCycle(world, task));
    });
  });
  fc.assert(property, { seed: seed(), numRuns: 2_000 });
});

test("a cycle begins with the wait that was asked about, and each holder is the next one that waits", () => {
  const property = fc.property(worlds, (world) => {
    world.waits.forEach((key, task) => {
      const cycle = key === undefined ? undefined : search(world, task);
      if (!cycle) return;
      assert.equal(cycle[0]!.task.waiter, `t${task}`);
      cycle.forEach(({ leaseId, holder, task: { key: waitedFor } }, i) => {
        const next = cycle[(i + 1) % cycle.length]!.task.waiter;
        assert.equal(holder, next);
        assert.equal(leaseId, `${next}#${waitedFor}`);
      });
      const waiters = cycle.map((step) => step.task.waiter);
      assert.equal(new Set(waiters).size, waiters.length);
    });
  });
  fc.assert(property, { seed: seed(), numRuns: 2_000 });
});

test("with one holder a key all members of a cycle find the same victim, the one that waited last", () => {
  const property = fc.property(fc.shuffledSubarray(keys, { minLength: 2 }), (ring) => {
    const world = {
      holds: ring.map((key) => new Set([key])),
      waits: ring.map((_key, i) => ring[(i + 1) % ring.length]!),
    };
    const victims = ring.map((_key, task) => victimOf(search(world, task)!).waiter);
    assert.deepEqual(new Set(victims), new Set([`t${ring.length - 1}`]));
  });
  fc.assert(property, { seed: seed() });
});

test("of two that waited in the same µs every member names the same one", () => {
  const task = (waiter: string): Task => ({ key: "k", waiter, ticket: 7, holders: new Map(), isQueued: true });
  const steps = ["x", "z", "y"].map((waiter) => ({ task: task(waiter), leaseId: "l", holder: "h" }));
  assert.equal(victimOf(steps).waiter, "z");
  assert.equal(victimOf(steps.toReversed()).waiter, "z");
});

test("a wait for what the task itself holds is a cycle of one", () => {
  const cycle = search({ holds: [new Set(["a"])], waits: ["a"] }, 0);
  assert.deepEqual(
    cycle?.map(({ leaseId }) => leaseId),
    ["t0#a"],
  );
});

test("a wait that is about to end closes no cycle, but others are still found", () => {
  const world: World = {
    holds: [new Set(["a"]), new Set(["b"]), new Set(["b", "c"]), new Set(["d"])],
    waits: ["b", "a", "d", "a"],
  };
  assert.deepEqual(
    search(world, 0)?.map((step) => step.task.waiter),
    ["t0", "t1"],
  );
  const others = search(world, 0, ["t1"]);
  assert.deepEqual(
    others?.map((step) => step.task.waiter),
    ["t0", "t2", "t3"],
  );
  assert.equal(search(world, 0, ["t1", "t3"]), undefined);
});

test("a task that waits for several keys at once is followed along each", () => {
  const task = (waiter: string, key: string, holder: string): Task => {
    return { key, waiter, ticket: 1, holders: new Map([[holder, holder]]), isQueued: true };
  };
  const found = new CycleSearch(task("t0", "a", "t1#a"), new Set(["t0#z"]));
  found.tell(new Map([["t1#a", [task("t1", "x", "t2#x"), task("t1", "z", "t0#z")]]]));
  assert.equal(found.cycle?.at(-1)?.task.key, "z");
  assert.deepEqual(found.unknown, []);
});

test("a later reading finds the same step only if the wait and the lease it waits for are the same", () => {
  const [step] = search({ holds: [new Set(["a"]), new Set(["b"])], waits: ["b", "a"] }, 0)!;
  const read = (change: Partial<Task>) => [
    { ...step!.task, ticket: 5 },
    { ...step!.task, ...change },
  ];
  assert.equal(isStill(step!, read({})), true);
  assert.equal(isStill(step!, read({ ticket: 6 })), false);
  assert.equal(isStill(step!, read({ waiter: "t9" })), false);
  assert.equal(isStill(step!, read({ key: "c" })), false);
  assert.equal(isStill(step!, read({ holders: new Map([["t2#b", "t2"]]) })), false);
  assert.equal(isStill(step!, []), false);
});
