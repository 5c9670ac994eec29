// Packets lost by the kernel: nftables' random drop, in a network namespace that the whole harness lives in. Where that
// cannot be had, the proxy's retransmissions are all there is, and it is said.

import { execFile, spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import { promisify } from "node:util";

const insideVariable = "PULSELOCK_CHAOS_NAMESPACE";
const table = ["inet", "pulselock_chaos"];

/** Whether this process is in a namespace of its own, as enterNamespace() starts it. */
export function canDropPackets(): boolean {
  return process.env[insideVariable] === "1";
}

/** Why packets cannot be dropped here, or undefined. Asked in a namespace that is gone afterwards. */
export function whyNoDrops(): string | undefined {
  if (canDropPackets()) return undefined;
  if (process.platform !== "linux") return "network namespaces are Linux's";
  const script = "ip link set lo up && nft add table inet pulselock_probe";
  const { status, error, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8" });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim().split("\n")[0] || `exit code ${status}`);
}

/** tc netem could delay and reorder packets as well. */
export function whyNoNetem(): string | undefined {
  const { status, error, stderr } = spawnSync(
    "unshare",
    ["--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "20%"],
    { encoding: "utf8" },
  );
  return status === 0 ? undefined : (error?.message ?? stderr.trim().split("\n")[0] ?? `exit code ${status}`);
}

/** Runs this very program once more, in a namespace with nothing but a loopback. Resolves with its exit code. */
export async function enterNamespace(): Promise<number> {
  const nft = ["add table", "add chain"].map((verb) => `nft ${verb} ${table.join(" ")}`);
  const hook = "input '{ type filter hook input priority 0; }'";
  const script = `ip link set lo up && ${nft[0]} && ${nft[1]} ${hook} && exec "$0" "$@"`;
  const args = ["--net", "sh", "-c", script, process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, [insideVariable]: "1" };
  const child = spawn("unshare", args, { stdio: "inherit", env });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/** Drops so many of 100 packets to and from those ports until the returned function is called. */
export function dropPackets(ports: readonly number[], percent: number): Promise<() => Promise<void>> {
  const chance = ["numgen", "random", "mod", "100", "<", String(percent)];
  return addDrops(["dport", "sport"].map((side) => ["tcp", side, setOf(ports), ...chance]));
}

export type Island = {
  /** From which it opens its connections. */
  readonly address: string;
  readonly ports: readonly number[];
  /** From where its peers open theirs; who comes from anywhere else is let through. */
  readonly peers: string;
};

/** Drops all packets between that server and its peers until the returned function is called. */
export function isolate({ address, ports, peers }: Island): Promise<() => Promise<void>> {
  return addDrops([
    ["ip", "saddr", address],
    ["ip", "daddr", address],
    ["ip", "saddr", peers, "tcp", "dport", setOf(ports)],
    ["ip", "daddr", peers, "tcp", "sport", setOf(ports)],
  ]);
}

async function addDrops(matches: readonly (readonly string[])[]): Promise<() => Promise<void>> {
  const handles: string[] = [];
  for (const match of matches) {
    const told = await nft("--echo", "--handle", "add", "rule", ...table, "input", ...match, "drop");
    const handle = /# handle (\d+)/.exec(told)?.[1];
    if (handle === undefined) throw new Error(`nft told no handle: ${told}`);
    handles.push(handle);
  }
  return async () => {
    for (const handle of handles) await nft("delete", "rule", ...table, "input", "handle", handle);
  };
}

const setOf = (ports: readonly number[]): string => `{ ${ports.join(", ")} }`;

async function nft(...args: string[]): Promise<string> {
  return (await promisify(execFile)("nft", args)).stdout;
}
