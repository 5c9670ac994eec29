import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault, Scenario } from "./scenario.js";
import { failsOften, shrink } from "./shrink.js";

const fault = (atMs: number, kind: string, durationMs = 783): Fault => ({ atMs, kind, target: "p1", durationMs });
const noise = Array.from({ length: 14 }, (_none, at) => fault(100 + at * 111, "latency"));
const big: Scenario = {
  processes: 5,
  keys: 4,
  durationMs: 9_000,
  faults: [...noise, fault(2_017, "freeze", 1_783), fault(2_222, "restart", 0)],
};
const has = ({ faults }: Scenario, kind: string): boolean => faults.some((one) => one.kind === kind);

test("only the faults that matter are left, in the smallest setting", async () => {
  const fails = (one: Scenario): boolean =>
    has(one, "restart") && one.processes >= 2 && one.faults.some((f) => f.kind === "freeze" && f.durationMs >= 800);
  const { scenario, isMinimal, tries } = await shrink(big, fails);
  assert.ok(isMinimal && tries < 200);
  assert.deepEqual([scenario.processes, scenario.keys], [2, 1]);
  assert.deepEqual(
    scenario.faults.map(({ kind, durationMs }) => [kind, durationMs]),
    [
      ["freeze", 800],
      ["restart", 0],
    ],
  );
  assert.ok(scenario.durationMs < 3_000 && fails(scenario));
});

test("a failure that needs no fault is left with none", async () => {
  const { scenario } = await shrink(big, () => true);
  assert.deepEqual(scenario, { processes: 1, keys: 1, durationMs: 100, faults: [] });
});

test("tries are bounded, and the best so far is kept", async () => {
  let runs = 0;
  const { scenario, tries, isMinimal } = await shrink(big, (one) => ++runs > 0 && has(one, "freeze"), { triesMax: 6 });
  assert.deepEqual([runs, tries, isMinimal], [6, 6, false]);
  assert.ok(has(scenario, "freeze") && scenario.faults.length < big.faults.length);
});

test("a failure of real processes counts when two of five runs show it", async () => {
  const outcomes = async (list: boolean[]): Promise<[boolean, number]> => {
    let runs = 0;
    return [await failsOften<Scenario>(() => list[runs++]!)(big), runs];
  };
  assert.deepEqual(await outcomes([true, true, false, false, false]), [true, 2]);
  assert.deepEqual(await outcomes([false, true, false, false, true]), [true, 5]);
  assert.deepEqual(await outcomes([false, false, false, false, true]), [false, 4]);
});
