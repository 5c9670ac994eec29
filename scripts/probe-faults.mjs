// `node scripts/probe-faults.mjs`: which faults this machine can produce. Each is tried in namespaces of its own, so
// nothing of the machine changes. test/faults/README.md lists what cannot be produced, and what the harness does then.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);
const inNetwork = (...lines) => exec("unshare", ["-rn", "sh", "-ec", ["ip link set lo up", ...lines].join("\n")]);

const probes = {
  "packet loss by tc netem": () => inNetwork("tc qdisc add dev lo root netem loss 20%"),
  "packet loss by nftables": () =>
    inNetwork(
      "nft add table ip t",
      "nft add chain ip t c '{ type filter hook input priority 0; }'",
      "nft add rule ip t c numgen random mod 100 '<' 20 drop",
    ),
  "a slow line by tc tbf": () => inNetwork("tc qdisc add dev lo root tbf rate 256kbit burst 32kbit latency 400ms"),
  "a time namespace (another monotonic clock)": () => exec("unshare", ["-rT", "--boottime", "100", "true"]),
  "suspend of the whole machine": async () => {
    const states = await readFile("/sys/power/state", "utf8");
    if (!/\bmem\b/.test(states)) throw new Error(`/sys/power/state says "${states.trim()}"`);
  },
  "a compiler for the clock shim": () => exec("cc", ["--version"]),
};

for (const [name, probe] of Object.entries(probes)) {
  const outcome = await probe().then(
    () => "yes",
    (error) =>
      `no (${String(error.stderr || error.message)
        .trim()
        .split("\n")
        .at(-1)})`,
  );
  console.log(`${name}: ${outcome}`);
}
