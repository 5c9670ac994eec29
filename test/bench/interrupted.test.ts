// Who stops a measurement with Ctrl-C finds his machine as it was.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isRunning } from "../support/process-guard.js";
import { once, waitUntil } from "../support/wait.js";

const program = fileURLToPath(new URL("../../bench/main.js", import.meta.url));

test("SIGINT leaves neither servers nor processes", async () => {
  const out = join(mkdtempSync(join(tmpdir(), "pulselock-interrupted-")), "out");
  const bench = spawn(process.execPath, [program, "connections", "--runs", "20", "--out", out], { stdio: "ignore" });
  try {
    const hasBoth = (names: readonly Descendant[]): boolean =>
      ["redis-server", "node"].every((word) => names.some(({ command }) => command.includes(word)));
    const read = (): Descendant[] => descendantsOf(bench.pid ?? 0);
    const started = await waitUntil(read, hasBoth, { deadlineMs: 60_000, what: "a server and a process of the bench" });
    const ended = once(bench, "exit", { deadlineMs: 20_000, what: "the end of the bench" });
    bench.kill("SIGINT");
    await ended;
    const left = (): string[] => started.filter(({ pid }) => isRunning(pid)).map(({ command }) => command);
    await waitUntil(left, [], { deadlineMs: 20_000, what: "what still runs" });
    assert.equal(existsSync(out), false, "what was interrupted is no result");
  } finally {
    bench.kill("SIGKILL");
    rmSync(join(out, ".."), { recursive: true });
  }
});

type Descendant = { pid: number; command: string };

function descendantsOf(root: number): Descendant[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,command="], { encoding: "utf8" }).trim().split("\n");
  const all = lines.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []);
  const found: Descendant[] = [];
  const parents = new Set([root]);
  // A child may be listed before its parent, since ids are used again.
  for (let known = 0; known < parents.size;) {
    known = parents.size;
    for (const [, pid, ppid, command = ""] of all) {
      if (!parents.has(Number(ppid)) || parents.has(Number(pid))) continue;
      parents.add(Number(pid));
      found.push({ pid: Number(pid), command });
    }
  }
  return found;
}
