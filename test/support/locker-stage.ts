// A locker and all below it on a fake clock, with a scripted store and the worker in the test's hand.

import type { Database, DatabaseDescription } from "../../src/databases/database.js";
import { Engine } from "../../src/engine.js";
import type { FromWorker, SessionCause, SessionState, ToWorker, WorkerTask } from "../../src/liveness-protocol.js";
import { Locker } from "../../src/locker.js";
import { resolveOptions } from "../../src/options.js";
import { SharedCells } from "../../src/shared-cells.js";
import type { Surroundings } from "../../src/surroundings.js";
import { FakeClock } from "./fake-clock.js";
import { TRUST } from "./holdings-stage.js";
import { ScriptedLeases } from "./scripted-leases.js";

/** A run of the worker. */
export type Run = { task: WorkerTask; cells: SharedCells; tell(message: FromWorker): void; fail(): void };

const noProofs = { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" };
const description: DatabaseDescription = { type: "url", url: "redis://nowhere" };

export class LockerStage {
  readonly clock = new FakeClock();
  readonly store = new ScriptedLeases();
  readonly runs: Run[] = [];
  readonly posted: ToWorker[] = [];
  readonly database = {
    recoveryMs: 2_500,
    openLeases: () => this.store,
    describe: () => description,
  } as Partial<Database> as Database;
  readonly surroundings: Surroundings = {
    clock: this.clock,
    readHost: () => ({ host: "here", pid: 1, proofs: noProofs, prove: () => "unknown" }),
    startWorker: (_path, task, tell) => {
      let fail!: () => void;
      const ended = new Promise<void>((_, reject) => (fail = () => reject(new Error("the worker died"))));
      this.runs.push({ task, cells: new SharedCells(TRUST, task.cells), tell, fail });
      return { ended, post: (message) => this.posted.push(message), destroy: () => Promise.resolve() };
    },
  };

  engine(): Engine {
    const options = resolveOptions({ database: this.database });
    const drain = { reason: undefined, signal: new AbortController().signal };
    let lastNumber = 0;
    const quiet = { onDeadlock: () => undefined, onNewEra: () => undefined };
    const crew = { lockerId: "locker", nextNumber: () => ++lastNumber, ...quiet, shard: 0 };
    return new Engine(this.database, description, options, drain, this.surroundings, crew);
  }

  locker(): Locker {
    return new Locker({ database: this.database }, this.surroundings);
  }

  /** What the worker does when something happened: the epoch first, then trust, then the word. */
  change(cause: SessionCause, more: Partial<SessionState> = {}): void {
    const { task, cells, tell } = this.runs.at(-1)!;
    const state = { sessionId: `${task.lockerId}.1`, era: "era1", lostCounter: 0, recoveryMs: 2_500 };
    const epoch = cells.raiseEpoch();
    cells.writeTrust(this.clock.monoMs(), this.clock.wallMs(), TRUST);
    tell({ type: "session", epoch, cause, session: { ...state, recovering: false, ...more } });
  }
}
