// Makes sure that a child process does not outlive us, however we end.

import { readFileSync } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";

/**
 * Waits on its stdin. "done" means that the child has gone and the guard may leave. The end of the pipe without it
 * means that we are gone (exit, crash, SIGKILL: the kernel closes the pipe in every case), so the child is killed and
 * its directory removed. It ignores Ctrl-C, which the terminal sends to the whole group, or it would leave first.
 */
const guardScript = `
trap '' INT TERM HUP
read -r word && [ "$word" = done ] && exit 0
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf "$2"
`;

/**
 * Guards `child` with one sleeping `sh`, and removes `directory` too when we die first. Plain POSIX, so Linux and
 * macOS alike: prctl's death signal exists on Linux only, and fires when the *thread* that spawned ends, which is
 * wrong for children of worker threads. On Windows there is no `sh`, and there the guard does nothing.
 *
 * The guard never keeps our event loop alive; the child does, unless its owner says otherwise.
 */
export function guardProcess(child: ChildProcess, directory = ""): void {
  if (child.pid === undefined || process.platform === "win32") return;
  const guard = spawn("sh", ["-c", guardScript, "sh", String(child.pid), directory], {
    stdio: ["pipe", "ignore", "ignore"],
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
  });
  // Without a shell there is no guard, which is no reason to fail a test that goes well.
  guard.on("error", () => undefined);
  const pipe = guard.stdin;
  pipe.on("error", () => undefined);
  guard.unref();
  (pipe as typeof pipe & { unref?: () => void }).unref?.();
  // Told before the pid can be used again by somebody else: Node reaps the child and emits this in one turn.
  child.once("exit", () => pipe.end("done\n"));
}

/** Whether a process runs. A zombie does not: an orphan may stay one for long where process 1 reaps nobody. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // No /proc on this system, so the signal's answer stands.
    return process.platform !== "linux";
  }
}
