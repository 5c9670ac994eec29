// The measuring side of fresh-process.ts.

import { spawnChild } from "../../test/support/child.js";
import { nowMs } from "./bed.js";

export interface FirstTry {
  /** Monotonic ms: before anything was loaded, when it asked for the lock, when it had it. */
  readonly startedMs: number;
  readonly calledMs: number;
  readonly answeredMs: number;
  readonly status: string;
  /** Why the holder before was condemned; "" when there was none. */
  readonly takenFor: string;
}

/** "warm": the locker was warmed up before it was asked. */
export type FreshKind = "locker" | "warm" | "bare" | "peer";

/** Starts a process that tries the key once. `spawnedMs` is the moment before that; `module`: a peer's. */
export async function tryInFreshProcess(
  kind: FreshKind,
  url: string,
  key: string,
  module = "",
): Promise<FirstTry & { spawnedMs: number }> {
  const spawnedMs = nowMs();
  const args = [kind, url, key, module];
  await using child = await spawnChild(new URL("./fresh-process.js", import.meta.url), { args });
  return { spawnedMs, ...(await child.request<FirstTry>("outcome")) };
}
