// The parts of a locker put together, on a fake clock, a scripted store and a worker in the test's hand.

import assert from "node:assert/strict";
import test from "node:test";
import type { Database, DatabaseDescription, LeaseRecord } from "../src/databases/database.js";
import { Engine } from "../src/engine.js";
import type { FromWorker, SessionCause, SessionState, WorkerTask } from "../src/liveness-protocol.js";
import { resolveOptions } from "../src/options.js";
import { SharedCells } from "../src/shared-cells.js";
import type { WorkerRun } from "../src/worker-thread.js";
import { FakeClock } from "./support/fake-clock.js";
import { TRUST } from "./support/holdings-stage.js";
import { ScriptedLeases } from "./support/scripted-leases.js";

type Run = { task: WorkerTask; cells: SharedCells; tell(message: FromWorker): void; fail(): void };

function stage() {
  const clock = new FakeClock();
  const store = new ScriptedLeases();
  const runs: Run[] = [];
  const description: DatabaseDescription = { type: "url", url: "redis://nowhere" };
  const database = { recoveryMs: 2_500, openLeases: () => store } as Partial<Database> as Database;
  const startWorker = (_path: string, task: WorkerTask, tell: Run["tell"]): WorkerRun => {
    let fail!: () => void;
    const ended = new Promise<void>((_, reject) => (fail = () => reject(new Error("the worker died"))));
    runs.push({ task, cells: new SharedCells(TRUST, task.cells), tell, fail });
    return { ended, post: () => undefined, destroy: () => Promise.resolve() };
  };
  const noProofs = { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" };
  const readHost = () => ({ host: "here", pid: 1, proofs: noProofs, prove: () => "unknown" as const });
  const options = resolveOptions({ database });
  const drain = { reason: undefined, signal: new AbortController().signal };
  const engine = new Engine(database, description, options, drain, { clock, startWorker, readHost });
  const change = (cause: SessionCause, more: Partial<SessionState> = {}): void => {
    const { task, cells, tell } = runs.at(-1)!;
    const state = { sessionId: `${task.lockerId}.1`, sessionsUsed: 1, era: "era1", lostCounter: 0, recoveryMs: 2_500 };
    const epoch = cells.raiseEpoch();
    cells.writeTrust(clock.monoMs(), clock.wallMs(), TRUST);
    tell({ type: "session", epoch, cause, session: { ...state, recovering: false, ...more } });
  };
  return { clock, store, runs, engine, change };
}

const lease: LeaseRecord = {
  ...{ key: "key", sessionId: "dead.1", leaseNumber: 5, fencingToken: 70, acquiredAtMs: 4_000, era: "era1", trace: "" },
};

test("a locker that hears of a new era writes again who was condemned, and in the same era does not", async () => {
  const { clock, store, engine, change } = stage();
  change("begun");
  store.session = { state: "condemned" };
  assert.equal((await engine.judge.judge(lease)).next, "take");
  change("taken");
  await clock.settle();
  assert.deepEqual(store.tombstones, []);
  change("reentered", { era: "era2", recovering: true });
  await clock.settle();
  assert.deepEqual(store.tombstones, [["dead.1"]]);
});

test("a worker that is started again goes on with the session, and is told which ids were used", async () => {
  const { clock, runs, change } = stage();
  assert.deepEqual([runs[0]?.task.resume, runs[0]?.task.sessionsUsed], [undefined, 0]);
  change("begun");
  change("condemned", { sessionId: "next", sessionsUsed: 2 });
  runs[0]!.fail();
  await clock.advance(1_000);
  assert.equal(runs.length, 2);
  assert.deepEqual([runs[1]?.task.resume?.sessionId, runs[1]?.task.sessionsUsed], ["next", 2]);
  assert.equal(runs[1]?.task.lockerId, runs[0]?.task.lockerId);
});

test("a run of the worker that was given up is not listened to any more", async () => {
  const { clock, runs, engine, change } = stage();
  change("begun");
  const [first] = runs;
  first!.fail();
  await clock.advance(1_000);
  first!.tell({ type: "failure", code: "denied", message: "from the dead" });
  assert.equal(engine.session.failure?.code, "unreachable", "what is known of the failed run");
});
