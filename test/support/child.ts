// A second process under the test's control: it runs a compiled fixture and answers requests.

import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { guardProcess } from "./process-guard.js";
import { DeadlineError, withDeadline } from "./wait.js";

export interface ChildOptions {
  readonly args?: readonly string[];
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another Node binary. Default: the one that runs us. */
  readonly execPath?: string;
  readonly execArgv?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** JSON on Node's own channel: readable by any Node major, so that a matrix can mix versions. */
type Request = { id: number; name: string; args: unknown[] };
type Reply = { id: number; value: unknown } | { id: number; error: ErrorFields };
type ErrorFields = { name: string; message: string; stack?: string; code?: string };
const ready = "ready";

/** How long a fixture may take to load, in ms. Long, since the machine runs other tests as well. */
const loadMs = 20_000;

/** Starts the compiled module and resolves once it serves. The module calls serveChild(). */
export async function spawnChild(modulePath: string | URL, options: ChildOptions = {}): Promise<Child> {
  const path = modulePath instanceof URL ? fileURLToPath(modulePath) : modulePath;
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  // Inherited from the test runner, it would make a fixture report to the runner as if it were a test file.
  delete env["NODE_TEST_CONTEXT"];
  const forked = fork(path, [...(options.args ?? [])], {
    env,
    execPath: options.execPath ?? process.execPath,
    execArgv: [...(options.execArgv ?? [])],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  guardProcess(forked);
  const child = new Child(forked);
  try {
    await withDeadline(child.served, loadMs, `${path} calls serveChild()`);
    return child;
  } catch (error) {
    await child[Symbol.asyncDispose]();
    if (error instanceof DeadlineError) error.message += `\n${child.stderr}`;
    throw error;
  }
}

export class Child {
  /** Settles once the process is gone and its output is read. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Resolves once the child serves; rejects if it ends before that. For spawnChild. */
  readonly served: Promise<void>;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #lastId = 0;
  #stdout = "";
  #stderr = "";
  #ended: Exit | undefined;

  /** Use spawnChild(). */
  constructor(forked: ChildProcess) {
    this.#process = forked;
    forked.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    forked.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    forked.on("error", (error) => (this.#stderr += error.message));
    this.exited = exitOf(forked).then((exit) => this.#end(exit));
    this.served = new Promise((resolve, reject) => {
      forked.on("message", (message: Reply | typeof ready) => {
        if (message === ready) resolve();
        else this.#settle(message);
      });
      void this.exited.then(() => reject(this.#goneError("before it served")));
    });
    this.served.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Calls the child's function of that name. Rejects with the child's error, or when the child ends first. */
  request<T = unknown>(name: string, ...args: unknown[]): Promise<T> {
    if (this.#ended || !this.#process.connected) return Promise.reject(this.#goneError(`before "${name}"`));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      const request: Request = { id, name, args };
      this.#process.send(request, (error) => error && this.#fail(id, error));
    });
  }

  /** Closes the channel: a child that has nothing left to do then ends by itself. */
  disconnect(): void {
    if (this.#process.connected) this.#process.disconnect();
  }

  /** Sends the signal; for SIGKILL and SIGTERM, waits until the process is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#process.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.kill("SIGKILL");
  }

  #settle(reply: Reply): void {
    if ("error" in reply) this.#fail(reply.id, rebuildError(reply.error));
    else this.#waiting.get(reply.id)?.resolve(reply.value);
    this.#waiting.delete(reply.id);
  }

  #fail(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
    this.#waiting.delete(id);
  }

  #end(exit: Exit): Exit {
    this.#ended = exit;
    for (const id of this.#waiting.keys()) this.#fail(id, this.#goneError("before it answered"));
    return exit;
  }

  #goneError(when: string): Error {
    const how = this.#ended ? `ended with ${this.#ended.signal ?? `code ${this.#ended.code}`}` : "closed its channel";
    return new Error(`child ${this.pid} ${how} ${when}\n${this.#stderr}`);
  }
}

/**
 * Resolves once the process is gone and its output is read. Not the "close" event: Node leaves that one out when it was
 * our side that closed the message channel.
 */
async function exitOf(forked: ChildProcess): Promise<Exit> {
  const outputs = [forked.stdout, forked.stderr].map((stream) => stream && eventOf(stream, "close"));
  const exit = await new Promise<Exit>((resolve) => {
    forked.once("exit", (code, signal) => resolve({ code, signal }));
    forked.on("error", () => forked.pid === undefined && resolve({ code: null, signal: null }));
  });
  await Promise.all(outputs);
  return exit;
}

function eventOf(stream: NodeJS.ReadableStream, event: string): Promise<void> {
  return new Promise((resolve) => stream.once(event, () => resolve()));
}

/** The child's side: answers requests by name until the parent disconnects or this process ends. */
export function serveChild(functions: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  process.on("message", (request: Request) => void answer(functions, request));
  process.send?.(ready);
}

async function answer(functions: Parameters<typeof serveChild>[0], request: Request): Promise<void> {
  let reply: Reply;
  try {
    const run = functions[request.name];
    if (!run) throw new Error(`the child serves no "${request.name}"`);
    reply = { id: request.id, value: await run(...(request.args as never[])) };
  } catch (thrown) {
    const { name, message, stack, code } = (
      thrown instanceof Error ? thrown : new Error(String(thrown))
    ) as ErrorFields;
    reply = { id: request.id, error: { name, message, ...(stack && { stack }), ...(code && { code }) } };
  }
  // The parent may have gone in the meantime; then nobody is left to tell.
  if (process.connected) process.send?.(reply, () => undefined);
}

function rebuildError(fields: ErrorFields): Error {
  return Object.assign(new Error(fields.message), fields);
}
