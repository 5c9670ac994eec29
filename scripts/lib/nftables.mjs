// nft, which makes the kernel lose packets. Where it cannot be had, what needs it says so and is emulated.

import { findProgram, runQuietly, step } from "./steps.mjs";

/** Installs nftables where apt-get can; never fails. */
export async function ensureNftables() {
  if (findProgram("nft")) return step("nftables: installed");
  const isRoot = process.getuid?.() === 0;
  if (!findProgram("apt-get") || (!isRoot && !findProgram("sudo"))) {
    return step("nftables: not installed; packet loss will be emulated");
  }
  const [command, ...sudo] = isRoot ? ["env"] : ["sudo", "-n", "env"];
  const apt = (...args) => runQuietly(command, [...sudo, "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", ...args]);
  step("nftables: installing nftables (apt-get install)");
  try {
    await apt("update");
    await apt("install", "--yes", "--no-install-recommends", "nftables");
  } catch (error) {
    step(`nftables: not installed; packet loss will be emulated. ${error.message}`);
  }
}
