// History as JSON lines: written so that it survives SIGKILL, on the one clock that all processes of a host share.

import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import type { HistoryEvent } from "../history/history.js";

/** CLOCK_MONOTONIC in ms, with a fraction. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What a member tells besides its history: that it condemned somebody. */
export type Condemnation = {
  readonly kind: "condemned";
  readonly atMs: number;
  /** Who did it. */
  readonly process: string;
  /** To whom. */
  readonly pid: number;
  readonly reason: string;
  readonly silentMs: number;
};

type Line = HistoryEvent | Condemnation;
type WithoutBase<Event> = Event extends unknown ? Omit<Event, "atMs" | "process"> : never;
/** `atMs` is now, unless the caller took it before. */
export type Entry = WithoutBase<Line> & { readonly atMs?: number };

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

/** Follows a journal while it grows. */
export class JournalReader {
  readonly events: HistoryEvent[] = [];
  readonly condemnations: Condemnation[] = [];
  readonly #path: string;
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads on to the last whole line. A process that is killed while it writes leaves half of one. */
  read(): void {
    if (!existsSync(this.#path)) return;
    const file = openSync(this.#path, "r");
    const chunk = Buffer.alloc(1 << 20);
    for (let bytes = readSync(file, chunk, 0, chunk.length, this.#offset); bytes > 0;) {
      const end = chunk.subarray(0, bytes).lastIndexOf("\n") + 1;
      if (end === 0) break;
      for (const line of chunk.toString("utf8", 0, end - 1).split("\n")) this.#take(line);
      this.#offset += end;
      bytes = readSync(file, chunk, 0, chunk.length, this.#offset);
    }
    closeSync(file);
  }

  /** A successor writes on behind the half line of one that was killed: that line is none. */
  #take(text: string): void {
    const line = parseLine(text);
    if (line?.kind === "condemned") this.condemnations.push(line);
    else if (line) this.events.push(line);
  }
}

function parseLine(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    const start = text.lastIndexOf('{"atMs":');
    return start > 0 ? (JSON.parse(text.slice(start)) as Line) : undefined;
  }
}
