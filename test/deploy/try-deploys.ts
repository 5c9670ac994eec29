// The shortest deploy, there and back, on each of some stores: `npm run deploy` has long ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { seed } from "../support/wait.js";
import { faultsOf, runDeploy } from "./drill.js";
import type { Backend } from "./stores.js";

export function tryDeploys(backends: readonly Backend[]): void {
  for (const backend of backends) {
    test(`${backend}: the last release and this build work on one store, replaced process by process`, async () => {
      const report = await runDeploy({ backend, ms: 0, seed: seed() });
      assert.deepEqual(faultsOf(report), [], JSON.stringify(report));
    });
  }
}
