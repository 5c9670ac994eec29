// Runs a program out of the way of everybody else, with a deadline that ends all it started.

import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";

const NICE = 10;
const OUTPUT_MAX = 200_000;

/**
 * Resolves with its exit code (undefined when it was ended), what it said, and how long it took. `onLine` is
 * told each line of stdout as it comes; when it returns true, there is no need to go on.
 */
export function runCaptured(command, args, { cwd, timeoutMs, env = process.env, onLine }) {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    // A group of its own: tests start servers, and those must not outlive a run that hangs.
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    child.once("error", reject);
    if (child.pid) setPriority(child.pid, NICE);
    let output = "";
    let rest = "";
    let isLate = false;
    const stop = () => {
      isLate = true;
      killGroup(child.pid);
    };
    const timer = setTimeout(stop, timeoutMs);
    // Ctrl-C does not reach a group of its own.
    const onSignal = (signal) => {
      killGroup(child.pid);
      process.exit(128 + constants.signals[signal]);
    };
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, onSignal);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        if (output.length < OUTPUT_MAX) output += text;
      });
    }
    child.stdout.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      if (lines.some((line) => onLine?.(line))) stop();
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, onSignal);
      resolve({ code: isLate ? undefined : (code ?? 1), output, tookMs: performance.now() - startedMs });
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error; // it ended in this instant
  }
}
