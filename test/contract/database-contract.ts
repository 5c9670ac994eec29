// What every backend must do, run by each backend's test: see src/databases/database.ts for the two doors.

import test from "node:test";
import { batchCases } from "./batch-cases.js";
import { ContractStage, type OpenContractStore } from "./contract-stage.js";
import { eraCases } from "./era-cases.js";
import { livedCases } from "./lived-cases.js";
import { judgementCases } from "./judgement-cases.js";
import { keptCases } from "./kept-cases.js";
import { leaseCases } from "./lease-cases.js";
import { modesCases } from "./modes-cases.js";
import { permitsCases } from "./permits-cases.js";
import { queueCases } from "./queue-cases.js";
import { reassertCases } from "./reassert-cases.js";
import { revokeCases } from "./revoke-cases.js";
import { sessionCases } from "./session-cases.js";
import { takeoverCases } from "./takeover-cases.js";

const suites = {
  ...{ sessionCases, leaseCases, batchCases, queueCases, modesCases, permitsCases, keptCases },
  ...{ takeoverCases, revokeCases, judgementCases, eraCases, livedCases, reassertCases },
};

/** Each case in a namespace of its own. */
export function databaseContract(name: string, open: OpenContractStore): void {
  for (const cases of Object.values(suites)) {
    for (const [sentence, run] of Object.entries(cases)) {
      test(`${name}: ${sentence}`, async () => {
        await using stage = new ContractStage(await open());
        await run(stage);
      });
    }
  }
}
