// What a job says about itself: one JSON line per record, one file per process. The observer reads nothing else about
// the jobs, so it does not depend on what the locker believes.
import { closeSync, openSync, readSync, writeSync } from "node:fs";

export type StopReason = "drained" | "lost" | "failed";

type Common = { process: string; job: string; run: string; token: number; atMs: number };

export type JobRecord =
  | (Common & { type: "start" })
  /** `askedAtMs` was read before the heartbeat that said yes was called, `atMs` after it. */
  | (Common & { type: "progress"; askedAtMs: number })
  | (Common & { type: "stop"; reason: StopReason; detail: string })
  /** The locker's own account of a takeover. Shown in the timeline, never judged. */
  | (Common & { type: "takeover"; sessionId: string; reason: string })
  /** An acquire that failed. Shown in the timeline, never judged: the process tries again. */
  | (Common & { type: "trouble"; detail: string });

/** CLOCK_MONOTONIC in ms: the one clock that all processes of a host share and that nobody can step. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export type RecordWriter = (record: JobRecord) => void;

/** Every line is one synchronous write, so what was written before a SIGKILL is in the file. */
export function openRecordWriter(path: string): RecordWriter {
  const file = openSync(path, "a");
  return (record) => {
    writeSync(file, `${JSON.stringify(record)}\n`);
  };
}

/** Reads what was appended to one process's file since the last call. */
export class RecordReader {
  #file: number;
  #rest = "";
  #chunk = Buffer.alloc(64 * 1024);

  constructor(path: string) {
    this.#file = openSync(path, "a+");
  }

  readNew(): JobRecord[] {
    let text = this.#rest;
    for (;;) {
      const length = readSync(this.#file, this.#chunk, 0, this.#chunk.length, null);
      if (length === 0) break;
      text += this.#chunk.toString("utf8", 0, length);
    }
    const lines = text.split("\n");
    // A line without its newline is still being written, or its writer was killed in the middle of it.
    this.#rest = lines.pop() ?? "";
    return lines.map((line) => JSON.parse(line) as JobRecord);
  }

  close(): void {
    closeSync(this.#file);
  }
}
