import { DrainingSignal, LockerClosedError, LockError, StoreError } from "../index.js";
import type { AcquireOptions, Holder, Job, Locker } from "../index.js";
import { check, checkMs, checkNames } from "./checks.js";
import { pause } from "./pause.js";
import { stoppable } from "./stoppable.js";

export type LeadOptions = Pick<AcquireOptions, "trace" | "lockTtlMs"> & {
  /** Ends the campaign. Who leads just then hears it: `heartbeat()` rejects with its reason, `lease.signal` aborts. */
  signal?: AbortSignal;
  /** How long to stand back after `fn` returned, or the store could not be asked, ms. Default 1,000. */
  againMs?: number;
};

/**
 * Campaigns for the role for ever, and runs `fn` while leading. When `fn` returns the role is free for others, and the
 * campaign goes on; so it does when the lease was lost. Resolves, once `fn` has ended, when the signal aborts, the
 * locker drains or is closed. Rejects with what `fn` throws, and with what waiting does not mend.
 */
export async function lead(locker: Locker, role: string, fn: Job<unknown>, options: LeadOptions = {}): Promise<void> {
  const { againMs = 1_000, signal, ...wanted } = options;
  checkMs("againMs", againMs, 0);
  while (!signal?.aborted) {
    let isLeader = false;
    const reign: Job<unknown> = async (_heartbeat, lease) => {
      isLeader = true;
      using held = stoppable(lease, signal);
      return await fn(held.lease.heartbeat, held.lease);
    };
    try {
      await locker.mutex(role, reign, { ...wanted, ...(signal && { signal }) });
    } catch (error) {
      if (isEnd(error, signal)) return;
      if (isLeader && isLossOf(role, error)) continue;
      const isPassing = !isLeader && error instanceof StoreError && !error.isLasting;
      if (!isPassing) throw error;
    }
    await pause(againMs, signal);
  }
}

export type ObserveOptions = {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** How often to look, ms. Default 500. */
  everyMs?: number;
};

/**
 * Who leads: at once, and whenever that has changed; undefined while nobody does. Ends when the signal aborts, the
 * locker drains or is closed, or the iterator is returned. While the store cannot be asked nothing is told. Two
 * changes between two looks are one.
 */
export function observe(
  locker: Locker,
  role: string,
  options: ObserveOptions = {},
): AsyncIterableIterator<Holder | undefined> {
  const { signal, everyMs = 500 } = options;
  checkNames(options, ["signal", "everyMs"]);
  checkMs("everyMs", everyMs, 1);
  check(signal === undefined || signal instanceof AbortSignal, "signal", signal, "must be an AbortSignal");
  const stop = new AbortController();
  const leaders = look(locker, role, everyMs, stop, signal);
  return {
    next: () => leaders.next(),
    // That of a generator waits until it is asked for the next value, and nobody may lead for ever.
    return: () => {
      stop.abort();
      return leaders.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* look(
  locker: Locker,
  role: string,
  everyMs: number,
  stop: AbortController,
  signal: AbortSignal | undefined,
): AsyncGenerator<Holder | undefined, undefined> {
  const onAbort = (): void => stop.abort();
  if (signal?.aborted) return undefined;
  signal?.addEventListener("abort", onAbort);
  const stopped = new Promise<"stopped">((resolve) =>
    stop.signal.addEventListener("abort", () => resolve("stopped"), { once: true }),
  );
  try {
    for (let last: number | undefined | "nothing" = "nothing"; !stop.signal.aborted;) {
      const seen = await Promise.race([read(locker, role), stopped]);
      if (seen === "stopped" || seen === "ended") return undefined;
      if (seen !== "unknown" && seen.holder?.fencingToken !== last) {
        last = seen.holder?.fencingToken;
        yield seen.holder;
      }
      await pause(everyMs, stop.signal);
    }
    return undefined;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function read(locker: Locker, role: string): Promise<{ holder: Holder | undefined } | "unknown" | "ended"> {
  try {
    return { holder: await locker.readHolder(role) };
  } catch (error) {
    if (isEnd(error, undefined)) return "ended";
    if (error instanceof StoreError && !error.isLasting) return "unknown";
    throw error;
  }
}

/** The reason of the stop itself, or an error that it caused, as that of an aborted request. */
function isEnd(error: unknown, signal: AbortSignal | undefined): boolean {
  if (error instanceof DrainingSignal || error instanceof LockerClosedError) return true;
  return signal !== undefined && signal.aborted && causes(error).includes(signal.reason);
}

function isLossOf(role: string, error: unknown): boolean {
  return causes(error).some((cause) => cause instanceof LockError && cause.key === role);
}

function causes(error: unknown): unknown[] {
  return [error, error instanceof Error ? error.cause : undefined];
}
