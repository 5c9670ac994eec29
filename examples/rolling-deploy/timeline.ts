// The live picture: one line for whatever happens, and a row of "which process runs which job" whenever that changed.
import type { Fleet, ProcessState } from "./fleet.js";
import type { Mark } from "./observer.js";
import type { JobRecord } from "./records.js";
import { nowMs } from "./records.js";
import { RunBook } from "./runs.js";
import type { Run } from "./runs.js";
import { formatMs, paint, print } from "./terminal.js";

const COLUMN = 13;
/** A row that has not changed is shown again after that long, so that a long wait does not look like a hang. */
const REPEAT_ROW_MS = 2_500;
const NOT_UP: Record<ProcessState, string> = {
  up: "",
  draining: " draining",
  frozen: " frozen",
  blocked: " blocked",
  dead: " dead",
};
const DONE_TO: Record<Mark["kind"], (process: string) => string> = {
  drain: (process) => `${process} was drained`,
  kill: (process) => `${process} was killed`,
  freeze: (process) => `${process} was frozen`,
  block: (process) => `the event loop of ${process} was blocked`,
};

export class Timeline {
  readonly book = new RunBook();
  readonly marks: Mark[] = [];
  #fleet: Fleet;
  #startedAtMs = nowMs();
  /** What the locker said about a takeover, by job and token. */
  #lockerReasons = new Map<string, string>();
  #condemnReasons = new Map<string, string>();
  #lastRow = "";
  #lastRowAtMs = 0;
  #rows = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  say(text: string, atMs = nowMs()): void {
    const seconds = ((atMs - this.#startedAtMs) / 1000).toFixed(3).padStart(7);
    print(`${paint("dim", seconds)}  ${text}`);
  }

  headline(text: string): void {
    print();
    this.say(paint("bold", text));
  }

  /** Takes in what the jobs have written since the last call. */
  update(): void {
    for (const record of this.#fleet.readNewRecords()) {
      this.book.add(record);
      this.#tell(record);
    }
    this.#showRow();
  }

  #tell(record: JobRecord): void {
    const { job, process, token, atMs } = record;
    if (record.type === "takeover") {
      const { sessionId, reason } = record;
      // Who comes second to a dead session finds it condemned already; the reason is the first one's.
      if (!this.#condemnReasons.has(sessionId)) this.#condemnReasons.set(sessionId, reason);
      this.#lockerReasons.set(`${job} ${token}`, this.#condemnReasons.get(sessionId) ?? reason);
    } else if (record.type === "trouble") {
      this.say(paint("yellow", `${process} could not try ${job}: ${record.detail}`), atMs);
    } else if (record.type === "start") {
      this.#tellStart(record);
    } else if (record.type === "stop") {
      const frozen = this.#markOf(process, "freeze");
      const since = frozen === undefined ? "" : `, ${formatMs(atMs - frozen.endAtMs)} ms after SIGCONT`;
      const text = `${job.padEnd(COLUMN)} ${process} stops: ${record.reason}`;
      if (record.reason === "drained") this.say(paint("dim", text), atMs);
      else this.say(paint("magenta", `${text} (${record.detail})${record.reason === "lost" ? since : ""}`), atMs);
    }
  }

  #tellStart({ job, process, run, token, atMs }: JobRecord): void {
    const runs = this.book.ofJob(job);
    const before = runs[runs.findIndex(({ id }) => id === run) - 1];
    const label = job.padEnd(COLUMN);
    if (before === undefined) return this.say(`${label} ${paint("green", process)} runs it, token ${token}`, atMs);
    const mark = this.marks.findLast(({ process: name, atMs: markedAtMs }) => {
      return name === before.process && markedAtMs >= before.startAtMs;
    });
    const idleSinceMs = before.stop?.atMs ?? mark?.atMs ?? before.startAtMs;
    const said = this.#lockerReasons.get(`${job} ${token}`);
    const why = mark === undefined ? "for no known reason" : DONE_TO[mark.kind](before.process);
    const locker = said === undefined ? "" : `; locker: ${said}`;
    const gap = paint("bold", `${formatMs(atMs - idleSinceMs)} ms`);
    this.say(`${label} ${before.process} → ${paint("green", process)} after ${gap} (${why}${locker})`, atMs);
  }

  #markOf(process: string, kind: Mark["kind"]): Mark | undefined {
    return this.marks.findLast((mark) => mark.process === process && mark.kind === kind);
  }

  #showRow(): void {
    const cells = this.#fleet.jobs.map((job) => this.#cell(this.book.latestRunning(job)));
    const row = cells.map(({ text }) => text).join("");
    const nowAtMs = nowMs();
    if (row === this.#lastRow && nowAtMs - this.#lastRowAtMs < REPEAT_ROW_MS) return;
    this.#lastRow = row;
    this.#lastRowAtMs = nowAtMs;
    if (this.#rows++ % 20 === 0) {
      this.say(paint("dim", `| ${this.#fleet.jobs.map((job) => job.padEnd(COLUMN)).join("")}`.trimEnd()));
    }
    const painted = cells.map(({ text, fine }) => paint(fine ? "cyan" : "red", text)).join("");
    this.say(`${paint("dim", "|")} ${painted}`.trimEnd());
  }

  #cell(run: Run | undefined): { text: string; fine: boolean } {
    if (run === undefined) return { text: "--".padEnd(COLUMN), fine: false };
    const state = this.#fleet.find(run.process)?.state ?? "dead";
    return { text: `${run.process}${NOT_UP[state]}`.padEnd(COLUMN), fine: state === "up" };
  }
}
