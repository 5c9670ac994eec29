// Where the numbers come from: without this they mean nothing.

import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

/** In the repository, wherever the measurement was started from. */
const here = fileURLToPath(new URL(".", import.meta.url));

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string;
  /** Of the last minute, before the measurement. Near or above `cores`: do not trust the times. */
  readonly load: number;
  /** The measured sources; "+" when they differ from that commit. */
  readonly revision: string;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    redis: /v=(\S+)/.exec(output("redis-server", "--version"))?.[1] ?? "unknown",
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    revision: revision(),
  };
}

function revision(): string {
  const commit = output("git", "rev-parse", "--short", "HEAD");
  if (commit === "") return "unknown";
  return commit + (output("git", "status", "--porcelain", "--", ":/src", ":/worker") === "" ? "" : "+");
}

/** "" when the program is not there or fails: a measurement is worth having without it. */
function output(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { cwd: here, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}
