// What all scripts share: where the project is, one line per step, and running other programs.

import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { accessSync, constants } from "node:fs";
import { constants as osConstants } from "node:os";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** One line for each thing a script does, so that a stuck or failed run shows where. */
export function step(text) {
  console.log(`• ${text}`);
}

/** Ends the script with one clear line. */
export class StepFailure extends Error {}

export function fail(text) {
  throw new StepFailure(text);
}

/** Runs a script's main function; a failed step is a line and exit code 1, not a stack. */
export async function main(run) {
  try {
    process.exitCode = (await run(process.argv.slice(2))) ?? 0;
  } catch (error) {
    console.error(error instanceof StepFailure ? `✖ ${error.message}` : error);
    process.exitCode = 1;
  }
}

/** Runs a program with our own terminal and resolves with its exit code. */
export function run(command, args, options = {}) {
  const { forwardSignals = false, ...spawnOptions } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...spawnOptions });
    const stopForwarding = forwardSignals ? forwardSignalsTo(child) : () => {};
    child.once("error", reject);
    child.once("close", (code, signal) => {
      stopForwarding();
      // As a shell reports it: 128 plus the signal's number.
      resolve(code ?? 128 + (osConstants.signals[signal] ?? 0));
    });
  });
}

/** Enough for a cause; npm prints its whole manual after one. */
const outputLinesMax = 40;

/** Runs a program without a word, unless it fails: then what it said first is shown. */
export async function runQuietly(command, args, options = {}) {
  let output = "";
  const { code, error } = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("error", (error) => resolve({ code: 1, error }));
    child.once("close", (code) => resolve({ code: code ?? 1 }));
  });
  const said = error?.message ?? output.trim().split("\n").slice(0, outputLinesMax).join("\n");
  if (code !== 0) fail(`${command} ${args.join(" ")} failed\n${said}`);
  return output;
}

/** The full path of a program on PATH, or undefined. */
export function findProgram(name) {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

/**
 * Passes SIGTERM and SIGINT on and stays until the child has ended. At a terminal, Ctrl-C reaches the child already:
 * a second SIGINT from us would look like an impatient user.
 */
function forwardSignalsTo(child) {
  const forward = (signal) => {
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  process.on("SIGINT", forward).on("SIGTERM", forward);
  return () => process.off("SIGINT", forward).off("SIGTERM", forward);
}
