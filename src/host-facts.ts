import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { HostProofs, SessionRecord } from "./databases/database.js";
import type { ProcessProof } from "./takeover.js";

/** Who this process is, and what it can tell of others. */
export type HostFacts = {
  host: string;
  pid: number;
  proofs: HostProofs;
  prove(holder: SessionRecord): ProcessProof;
};

export function readHostFacts(): HostFacts {
  const proofs = readHostProofs();
  return { host: hostname(), pid: process.pid, proofs, prove: (holder) => proveProcess(holder, proofs) };
}

/**
 * What tells apart, on one host, a process that is dead from one that is merely silent. A fact that cannot be read
 * is "".
 */
export function readHostProofs(): HostProofs {
  return {
    bootId: attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidNamespace: attempt(() => readlinkSync("/proc/self/ns/pid")),
    timeNamespace: attempt(() => readlinkSync("/proc/self/ns/time")),
    startTime: readStat(process.pid).startTime,
  };
}

/** Is that holder's process dead? Only between processes that see the same pids; "unknown" wherever a doubt is left. */
export function proveProcess(holder: Pick<SessionRecord, "pid" | "proofs">, own: HostProofs): ProcessProof {
  const { bootId, pidNamespace, timeNamespace, startTime } = holder.proofs;
  const sameHost = bootId !== "" && bootId === own.bootId;
  const sameNamespaces =
    pidNamespace !== "" && pidNamespace === own.pidNamespace && timeNamespace === own.timeNamespace;
  if (!sameHost || !sameNamespaces || !Number.isSafeInteger(holder.pid) || holder.pid <= 0) return "unknown";
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? "dead" : "alive"; // EPERM: it is there, and not ours
  }
  const now = readStat(holder.pid);
  if (now.startTime === "" || startTime === "") return "unknown";
  if (now.startTime !== startTime) return "dead";
  // A zombie waits for its parent to look, as long as that takes; but its other threads may not have ended yet.
  if (now.state === "Z") return now.threads === "1" ? "dead" : "unknown";
  return "alive";
}

function readStat(pid: number): { state: string; threads: string; startTime: string } {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // the name before it may hold spaces and parentheses
  return { state: fields[0] ?? "", threads: fields[17] ?? "", startTime: fields[19] ?? "" };
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return ""; // no such file here: then it proves nothing
  }
}
