// Packets that the kernel really loses, in a network of our own that nobody else sees and that ends with its processes.

import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

/** Only packets from or to this address are lost: what is looked at goes there, what it is judged by does not. */
export const lossyAddress = "127.0.0.2";

const chain = "pulselock loss";

/**
 * Drops on the way in: on the way out the kernel would tell the sender, and TCP would send again at once. The counters
 * tell afterwards what share it really was.
 */
function rules(percent: number): string {
  const drop = (side: string): string[] => [
    `ip ${side} ${lossyAddress} counter name seen`,
    `ip ${side} ${lossyAddress} numgen random mod 100 < ${percent} counter name lost drop`,
  ];
  return [
    "table inet pulselock {",
    "counter seen { }",
    "counter lost { }",
    "chain loss { type filter hook input priority 0; policy accept;",
    ...drop("daddr"),
    ...drop("saddr"),
    "}",
    "}",
    "",
  ].join("\n");
}

/** A command in a network of its own, with loopback up. Without root it takes a user namespace as well. */
export function isolated(command: readonly string[]): { command: string; args: string[] } {
  const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const inside = 'ip link set lo up && exec "$@"';
  return { command: "unshare", args: [...asRoot, "--net", "sh", "-c", inside, "sh", ...command] };
}

/** Why packets cannot be lost here, or undefined. */
export function whyNoLoss(): string | undefined {
  const { command, args } = isolated(["nft", "--file", "-"]);
  const probe = spawnSync(command, args, { input: rules(20), encoding: "utf8" });
  if (probe.error) return probe.error.message;
  return probe.status === 0 ? undefined : probe.stderr.trim().split("\n")[0] || `nft ended with ${probe.status}`;
}

/** Inside of such a network: loses packets until the returned function is called, which tells how many. */
export async function losePackets(percent: number): Promise<() => Promise<Losses>> {
  await nft(rules(percent));
  return async () => {
    const counters = await nft(`flush chain inet ${chain}\nlist counters table inet pulselock\n`);
    const count = (name: string): number =>
      Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(counters)?.[1]);
    return { seen: count("seen"), lost: count("lost") };
  };
}

export type Losses = { readonly seen: number; readonly lost: number };

async function nft(script: string): Promise<string> {
  const running = promisify(execFile)("nft", ["--file", "-"], { encoding: "utf8" });
  running.child.stdin?.end(script);
  return (await running).stdout;
}
