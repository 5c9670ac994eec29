// The worker processes: started, signalled and, whatever happens, gone in the end.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { guardProcess } from "../../test/support/process-guard.js";
import { Ledger } from "./ledger.js";
import type { ToParent, ToWorker } from "./messages.js";
import { RecordReader } from "./records.js";
import type { JobRecord } from "./records.js";

export type ProcessState = "up" | "draining" | "frozen" | "blocked" | "dead";

export type FleetProcess = {
  name: string;
  pid: number;
  state: ProcessState;
  /** It has tried every job once. */
  ready: boolean;
  /** How it ended, once it has: "exit 0", "SIGKILL". */
  ended?: string;
};

type Member = { seen: FleetProcess; child: ChildProcess; reader: RecordReader };

export type FleetOptions = {
  jobs: readonly string[];
  recordsDir: string;
  /** What the workers read from their environment, see database.ts. */
  env: Record<string, string>;
};

export class Fleet {
  readonly ledger = new Ledger();
  readonly jobs: readonly string[];
  /** Processes that ended in another way than they were asked to. */
  readonly surprises: string[] = [];
  #options: FleetOptions;
  #members = new Map<string, Member>();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.jobs = options.jobs;
  }

  start(): FleetProcess {
    const name = `w${this.#members.size + 1}`;
    const recordsPath = join(this.#options.recordsDir, `${name}.jsonl`);
    const child = fork(
      fileURLToPath(new URL("./worker-process.js", import.meta.url)),
      [name, recordsPath, ...this.jobs],
      { env: { ...process.env, ...this.#options.env }, stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    // For the end that we do not see ourselves: a frozen process would wait for ever for a parent that was killed.
    guardProcess(child);
    const seen: FleetProcess = { name, pid: child.pid ?? 0, state: "up", ready: false };
    this.#members.set(name, { seen, child, reader: new RecordReader(recordsPath) });
    child.on("message", (message: ToParent) => this.#answer(seen, child, message));
    // Without a listener a failed fork or a channel that breaks with the process would end the whole demonstration.
    child.on("error", (error) => this.surprises.push(`${name}: ${error.message}`));
    child.once("exit", (code, signal) => this.#onExit(seen, code, signal));
    return seen;
  }

  #answer(seen: FleetProcess, child: ChildProcess, message: ToParent): void {
    if (message.type === "ready") seen.ready = true;
    else if (message.type === "unblocked") seen.state = "up";
    else {
      const { accepted } = this.ledger.write({ job: message.job, run: message.run, token: message.token });
      tell(child, { type: "written", id: message.id, accepted });
    }
  }

  #onExit(seen: FleetProcess, code: number | null, signal: NodeJS.Signals | null): void {
    seen.ended = signal ?? `exit ${code}`;
    const expected = seen.state === "dead" || (seen.state === "draining" && seen.ended === "exit 0");
    if (!expected) this.surprises.push(`${seen.name} ended unasked: ${seen.ended}`);
    seen.state = "dead";
  }

  get processes(): FleetProcess[] {
    return [...this.#members.values()].map((member) => member.seen);
  }

  find(name: string): FleetProcess | undefined {
    return this.#members.get(name)?.seen;
  }

  /** Asks it to leave in good order. */
  drain(name: string): void {
    this.#signal(name, "SIGTERM", "draining");
  }

  kill(name: string): void {
    this.#signal(name, "SIGKILL", "dead");
  }

  freeze(name: string): void {
    this.#signal(name, "SIGSTOP", "frozen");
  }

  thaw(name: string): void {
    this.#signal(name, "SIGCONT", "up");
  }

  block(name: string, forMs: number): void {
    const member = this.#member(name);
    member.seen.state = "blocked";
    tell(member.child, { type: "block", forMs });
  }

  #signal(name: string, signal: NodeJS.Signals, state: ProcessState): void {
    const member = this.#member(name);
    if (member.seen.ended !== undefined) return;
    member.seen.state = state;
    member.child.kill(signal);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new RangeError(`no process is called ${name}`);
    return member;
  }

  /** What the jobs wrote since the last call, ordered by time. */
  readNewRecords(): JobRecord[] {
    return [...this.#members.values()]
      .flatMap((member) => member.reader.readNew())
      .toSorted((left, right) => left.atMs - right.atMs);
  }

  /** Synchronous, so that it also serves a parent that is about to exit. SIGKILL ends a stopped process too. */
  killAll(): void {
    for (const { seen } of this.#members.values()) this.kill(seen.name);
  }

  closeFiles(): void {
    for (const { reader } of this.#members.values()) reader.close();
  }
}

function tell(child: ChildProcess, message: ToWorker): void {
  // A process that is killed while we answer it is no error of ours; the callback takes what send would emit.
  if (child.connected) child.send(message, () => {});
}
