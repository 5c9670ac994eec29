// The measuring side of heartbeat-process.ts.

import { spawnChild, type Child } from "../../test/support/child.js";

/**
 * Means over the calls of one round. `floor`: of awaiting an async function that does nothing; `await`: a promise that
 * was settled before.
 */
export interface HeartbeatRound {
  readonly ns: number;
  readonly floorNs: number;
  readonly awaitNs: number;
  readonly bytes: number;
  readonly floorBytes: number;
  readonly awaitBytes: number;
  /** What this thread wrote to its sockets during the timed heartbeats, bytes. */
  readonly written: number;
}

export function openHeartbeatProcess(url: string): Promise<Child> {
  const execArgv = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  return spawnChild(new URL("./heartbeat-process.js", import.meta.url), { args: [url], execArgv });
}
