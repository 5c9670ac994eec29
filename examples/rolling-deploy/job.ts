// One long-running job: it works in small steps for as long as it holds its lease.
import { DrainingSignal, LockError } from "../../src/index.js";
import type { Heartbeat, Lease } from "../../src/index.js";
import { STEP_MS } from "./limits.js";
import { nowMs } from "./records.js";
import type { RecordWriter, StopReason } from "./records.js";
import type { LedgerWrite } from "./ledger.js";

export type JobSurroundings = {
  process: string;
  record: RecordWriter;
  /** Writes to the fenced resource; false when it refused our token. */
  writeToLedger: (write: LedgerWrite) => Promise<boolean>;
};

let runsStarted = 0;

/** Ends when the process drains or the lease is lost; any other error is the job's own and is thrown. */
export async function runJob(surroundings: JobSurroundings, heartbeat: Heartbeat, lease: Lease): Promise<StopReason> {
  const { process, record, writeToLedger } = surroundings;
  const job = lease.key;
  const token = lease.fencingToken;
  const run = `${process}#${++runsStarted}`;
  record({ type: "start", process, job, run, token, atMs: nowMs() });
  try {
    for (;;) {
      const askedAtMs = nowMs();
      await heartbeat();
      record({ type: "progress", process, job, run, token, askedAtMs, atMs: nowMs() });
      // A refused write is left to the next heartbeat: it must find out by itself that the lease is gone.
      await writeToLedger({ job, run, token });
      await heartbeat.delay(STEP_MS);
    }
  } catch (error) {
    const reason = stopReasonOf(error);
    record({ type: "stop", process, job, run, token, reason, detail: describe(error), atMs: nowMs() });
    if (reason === "failed") throw error;
    return reason;
  }
}

function stopReasonOf(error: unknown): StopReason {
  if (error instanceof DrainingSignal) return "drained";
  if (error instanceof LockError) return "lost";
  return "failed";
}

export function describe(error: unknown): string {
  if (error instanceof LockError) return `LockError ${error.code}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
