// History as JSON lines: written so that it survives SIGKILL, on the one clock that all processes of a host share.

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { HistoryEvent } from "../history/history.js";

/** CLOCK_MONOTONIC in ms, with a fraction. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

type WithoutBase<Event> = Event extends unknown ? Omit<Event, "atMs" | "process"> : never;
/** `atMs` is now, unless the caller took it before. */
export type Entry = WithoutBase<HistoryEvent> & { readonly atMs?: number };

export class Journal {
  readonly #file: number;
  readonly #process: string;

  constructor(path: string, process: string) {
    this.#file = openSync(path, "a");
    this.#process = process;
  }

  add(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify({ atMs: nowMs(), process: this.#process, ...entry })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Every whole line; a process that was killed while it wrote leaves half of one at the end. */
export function readJournal(path: string): HistoryEvent[] {
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as HistoryEvent);
}
