// The shortest deploy, there and back, on each of some stores: `npm run deploy` has long ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { seed } from "../support/wait.js";
import { runDeploy } from "./drill.js";
import type { Backend } from "./stores.js";

const WHATS = ["exclusive", "both", "shared", "writer", "permits"];

export function tryDeploys(backends: readonly Backend[]): void {
  for (const backend of backends) {
    test(`${backend}: the last release and this build work on one store, replaced process by process`, async () => {
      const report = await runDeploy({ backend, ms: 0, seed: seed() });
      assert.deepEqual(report.wrong, []);
      assert.ok(report.killed > 0 && report.replaced > report.killed, JSON.stringify(report));
      assert.ok(report.crossings > 20, `keys changed versions ${report.crossings} times`);
      const served = ["previous", "current"].flatMap((version) => WHATS.map((what) => `${version} ${what}`));
      for (const one of served) assert.ok(report.served[one]! > 0, `${one}: ${JSON.stringify(report.served)}`);
    });
  }
}
