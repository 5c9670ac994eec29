// Packet loss with the limits that applications have. `npm run loss` has more of it.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { failuresOf, runLoss, runLossIsolated, type LossReport } from "./loss.js";
import { whyNoLoss } from "./namespace.js";

const loss = { scenario: "everybody", percent: 20, lossMs: 10_000, kill: true } as const;

async function lose(t: TestContext): Promise<LossReport> {
  const reason = whyNoLoss();
  if (reason === undefined) return runLossIsolated(loss);
  t.diagnostic(`not run: real packet loss (${reason}); emulated instead`);
  return runLoss({ ...loss, by: "emulation" });
}

test("20 % loss for ten seconds costs no living process a job, and no job runs twice past its fence", async (t) => {
  const report = await lose(t);
  const jobs = report.processes.flatMap((process) => process.jobs);
  t.diagnostic(`packets: ${JSON.stringify(report.losses)}, takeovers after ms: ${JSON.stringify(report.takeoverMs)}`);
  assert.deepEqual(report.robbed, []);
  assert.deepEqual(
    jobs.filter(({ ended }) => ended !== ""),
    [],
  );
  // Three living processes of five jobs each, and the five of the killed one that were taken over.
  assert.equal(jobs.length, 3 * 5 + report.killedKeys);
  assert.equal(report.takeoverMs.length, report.killedKeys);
  assert.equal(report.refused, 0);
  assert.ok(report.accepted > 100, `${report.accepted} writes`);
  if (report.losses) assert.ok(report.losses.lost > report.losses.seen / 10, "hardly a packet was lost");
});

test("a job that was lost or robbed, a refused write and a key that stays a dead one's fail the run", () => {
  const job = { key: "job-1", yes: 9, refused: 0, unsureMs: 0, longestMs: 1 };
  const process = { pid: 1, takeovers: [], condemned: [], tries: 0, failures: {} };
  const good: LossReport = {
    ...{ processes: [{ ...process, jobs: [{ ...job, ended: "" }] }], losses: undefined },
    ...{ killedKeys: 1, takeoverMs: [900], robbed: [], accepted: 9, refused: 0 },
  };
  assert.deepEqual(failuresOf(good), []);
  const lost = { ...good, processes: [{ ...process, jobs: [{ ...job, ended: "session-condemned" }] }] };
  const bad = [lost, { ...good, robbed: ["job-1"] }, { ...good, refused: 2 }, { ...good, takeoverMs: [] }];
  for (const report of bad) assert.equal(failuresOf(report).length, 1);
});
