// Steps of one process's wall clock: a small C library that is preloaded, and a file that holds the step.

import { execFile } from "node:child_process";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const source = fileURLToPath(new URL("../../../test/chaos/clock-shim.c", import.meta.url));

/** The wall clock of one process, or of several that share a name. */
export type SteppedClock = {
  /** Given to the process when it starts. */
  readonly env: Readonly<Record<string, string>>;
  /** How far the clock is from the true one from now on. */
  set(ms: number): void;
  close(): void;
};

export class ClockShim implements AsyncDisposable {
  readonly #directory: string;
  #clocks = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Compiles the library and tries it. Resolves with the reason when this machine cannot. */
  static async open(): Promise<ClockShim | string> {
    if (process.platform !== "linux") return "LD_PRELOAD of a clock works on Linux only";
    const directory = await mkdtemp(join(tmpdir(), "pulselock-clock-"));
    await chmod(directory, 0o755); // for servers that run as somebody else
    const shim = new ClockShim(directory);
    try {
      await promisify(execFile)("gcc", ["-O2", "-shared", "-fPIC", "-o", shim.#library, source]);
      const stepMs = await shim.#tryOut();
      if (Math.abs(stepMs - 5_000) < 1_000) return shim;
      await shim[Symbol.asyncDispose]();
      return `a step of 5000 ms showed as ${stepMs} ms in node`;
    } catch (error) {
      await shim[Symbol.asyncDispose]();
      const { code, message } = error as NodeJS.ErrnoException;
      return code === "ENOENT" ? "no gcc to compile the clock shim with" : message;
    }
  }

  clock(): SteppedClock {
    const path = join(this.#directory, `step-${++this.#clocks}`);
    const file = openSync(path, "w+");
    const set = (ms: number): void => {
      const step = Buffer.alloc(8);
      step.writeBigInt64LE(BigInt(Math.round(ms * 1e6)));
      writeSync(file, step, 0, 8, 0);
    };
    set(0);
    const env = { LD_PRELOAD: this.#library, PULSELOCK_WALL_STEP: path };
    return { env, set, close: () => closeSync(file) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (existsSync(this.#directory)) await rm(this.#directory, { recursive: true, force: true });
  }

  get #library(): string {
    return join(this.#directory, "clock-shim.so");
  }

  /** By how much the wall clock of a preloaded node differs from ours. */
  async #tryOut(): Promise<number> {
    const clock = this.clock();
    clock.set(5_000);
    const env = { ...process.env, ...clock.env };
    const { stdout } = await promisify(execFile)(process.execPath, ["-p", "Date.now()"], { env });
    clock.close();
    return Number(stdout) - Date.now();
  }
}
