import { setTimeout as timer } from "node:timers/promises";

/** Resolves after `ms`, or as soon as the signal aborts; leaves no timer behind. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // The signal is the only thing that rejects a timer, and whoever pauses looks at it anyhow.
  return timer(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
}
