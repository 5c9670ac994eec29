import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scenario } from "../history/scenario.js";
import { seed } from "../support/wait.js";
import { makeScenario } from "./faults.js";
import { regressions } from "./regressions.js";
import { Simulation } from "./simulation.js";

/** As many as take a few seconds; `npm run simulate` goes through thousands. */
const WORLDS = 40;

async function run(scenario: Scenario): Promise<{ lines: string[]; violations: unknown[] }> {
  const lines: string[] = [];
  const { violations } = await new Simulation(scenario, (line) => lines.push(line)).run();
  return { lines, violations };
}

test("in worlds of random faults no invariant is ever broken", async () => {
  const first = seed();
  for (let i = 0; i < WORLDS; i++) {
    const scenario = makeScenario((first + i) >>> 0);
    const { violations } = await run(scenario);
    assert.deepEqual(violations, [], `npm run simulate -- --trace --scenario '${JSON.stringify(scenario)}'`);
  }
});

test("the same seed is the same world, to the last script", async () => {
  const first = await run(makeScenario(7));
  const second = await run(makeScenario(7));
  assert.ok(first.lines.length > 100);
  assert.deepEqual(second.lines, first.lines);
});

for (const { bug, scenario } of regressions) {
  test(`a world that once showed a bug is sound: ${bug}`, async () => {
    assert.deepEqual((await run(scenario)).violations, []);
  });
}
