// One process of the recipe: takes the lock, reads, waits, writes back with an element of its own, and again.

import { setTimeout as delay } from "node:timers/promises";
import { serveChild } from "../../test/support/child.js";
import { mulberry32 } from "../../test/support/wait.js";
import { Register } from "./register.js";
import type { Guard, Subject, SubjectModule, SubjectSetup } from "./subject.js";

/** Crosses to the process as JSON. */
export type UpdaterSetup = SubjectSetup & {
  readonly module: string;
  readonly checks: boolean;
  readonly registerUrl: string;
  readonly writeDelayMsMax: number;
  readonly number: number;
  readonly seed: number;
};

export type Updates = {
  /** Elements whose write was acknowledged. */
  readonly plain: number[];
  readonly fenced: number[];
  /** Reads and writes that the fence refused. */
  refused: number;
  /** Sections that ended because the locker said, before the write, that the lock is lost. */
  told: number;
  hasToken: boolean;
  /** What the locker threw otherwise, and how often. */
  readonly errors: Record<string, number>;
};

const elementsAProcess = 1_000_000;

let setup: UpdaterSetup;
let subject: Subject;
let random: () => number;
let register: Register;
let updates: Updates;
let stopped = false;
let stopsInWindow = false;
let running = Promise.resolve();
let sections = 0;

async function updateUntilStopped(key: string): Promise<void> {
  while (!stopped) await subject.run(key, update).catch(note);
}

async function update(guard: Guard): Promise<void> {
  if (stopped) return;
  const element = setup.number * elementsAProcess + ++sections;
  updates.hasToken ||= guard.token !== undefined;
  const { token = 0 } = guard;
  await register.noteReader(setup.number);
  const plain = await register.read();
  const fenced = guard.token === undefined ? [] : await register.readFenced(token);
  await delay(random() * setup.writeDelayMsMax);
  if (setup.checks) {
    try {
      await guard.check();
    } catch {
      updates.told += 1;
      return;
    }
  }
  if (stopsInWindow) stopInWindow();
  await register.write([...plain, element]);
  updates.plain.push(element);
  if (guard.token === undefined) return;
  if (fenced && (await register.writeFenced(token, [...fenced, element]))) updates.fenced.push(element);
  else updates.refused += 1;
}

/** Once; the nemesis has it go on. */
function stopInWindow(): void {
  stopsInWindow = false;
  process.kill(process.pid, "SIGSTOP");
}

function note(error: unknown): void {
  const { name, code } = error as Error & { code?: string };
  const what = code ? `${name} ${code}` : name;
  updates.errors[what] = (updates.errors[what] ?? 0) + 1;
}

serveChild({
  open: async (given: UpdaterSetup) => {
    setup = given;
    random = mulberry32(setup.seed);
    subject = await ((await import(setup.module)) as SubjectModule).open(setup);
  },
  start: (key: string) => {
    updates = { plain: [], fenced: [], refused: 0, told: 0, hasToken: false, errors: {} };
    stopped = false;
    register = new Register(setup.registerUrl, key);
    running = updateUntilStopped(key);
  },
  /** Whether the next section is stopped after its check and before its write. */
  stopInWindow: (will: boolean) => void (stopsInWindow = will),
  stop: async () => {
    stopped = true;
    await running;
    await register[Symbol.asyncDispose]();
    return updates;
  },
  close: async () => void (await subject.close()),
});
