// The measuring side of fresh-process.ts.

import { spawnChild } from "../../test/support/child.js";
import { nowMs } from "./bed.js";

export interface FirstTry {
  /** Monotonic ms. */
  readonly calledMs: number;
  readonly answeredMs: number;
  readonly status: string;
  /** Why the holder before was condemned; "" when there was none. */
  readonly takenFor: string;
}

/** Starts a process that tries the key once. `spawnedMs` is the moment before that. */
export async function tryInFreshProcess(
  kind: "locker" | "bare",
  url: string,
  key: string,
): Promise<FirstTry & { spawnedMs: number }> {
  const spawnedMs = nowMs();
  await using child = await spawnChild(new URL("./fresh-process.js", import.meta.url), { args: [kind, url, key] });
  return { spawnedMs, ...(await child.request<FirstTry>("outcome")) };
}
