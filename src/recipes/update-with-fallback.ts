import type { AcquireOptions, Locker } from "../index.js";
import { check, checkNames } from "./checks.js";

/** A value, and what tells whether somebody has written since it was read. */
export type Versioned<Value, Version> = { value: Value; version: Version };

export type Update<Value, Version> = {
  read(): Promise<Versioned<Value, Version>>;
  /** The value to be written. Called anew for every try. */
  change(value: Value): Promise<Value> | Value;
  /**
   * Writes if the version is still that one, and says whether it was. Under the lease it also gets the fencing token:
   * refuse a smaller one than the largest seen.
   */
  write(value: Value, version: Version, fencingToken: number | undefined): Promise<boolean>;
};

export type UpdateOptions = Pick<AcquireOptions, "signal" | "trace" | "lockTtlMs" | "waitMs"> & {
  /** After so many conflicts in a row the lease is taken. Default 3; 0: always. */
  conflictsMax?: number;
};

export type Updated<Value> = {
  /** As it was written. */
  value: Value;
  /** How many tries came too late. */
  conflicts: number;
  /** Of the lease under which it was written; undefined when none was needed. */
  fencingToken: number | undefined;
};

/**
 * Reads, changes, and writes if nobody has written meanwhile. Costs no lease while that goes well; after three
 * conflicts in a row those who are in each other's way take turns: by the lease of `key`. Writers that were lucky
 * hold none, so the version is compared under the lease, too. Rejects with what read, change or write throw, with
 * LockError when the lease is lost, with LockTimeoutError after waitMs.
 */
export async function updateWithFallback<Value, Version>(
  locker: Locker,
  key: string,
  update: Update<Value, Version>,
  options: UpdateOptions = {},
): Promise<Updated<Value>> {
  checkOptions(options);
  const { conflictsMax = 3, ...wanted } = options;
  for (let conflicts = 0; conflicts < conflictsMax; conflicts++) {
    wanted.signal?.throwIfAborted();
    const written = await tryOnce(update, undefined);
    if (written) return { value: written.value, conflicts, fencingToken: undefined };
  }
  return locker.mutex(
    key,
    async (heartbeat, { fencingToken }) => {
      for (let conflicts = conflictsMax; ; conflicts++) {
        wanted.signal?.throwIfAborted();
        await heartbeat();
        const written = await tryOnce(update, fencingToken);
        if (written) return { value: written.value, conflicts, fencingToken };
      }
    },
    wanted,
  );
}

async function tryOnce<Value, Version>(
  { read, change, write }: Update<Value, Version>,
  fencingToken: number | undefined,
): Promise<{ value: Value } | undefined> {
  const { value, version } = await read();
  const changed = await change(value);
  return (await write(changed, version, fencingToken)) ? { value: changed } : undefined;
}

/** What the locker looks at only once there are conflicts. */
function checkOptions(options: UpdateOptions): void {
  checkNames(options, ["conflictsMax", "signal", "trace", "lockTtlMs", "waitMs"]);
  const { conflictsMax = 3, waitMs = Infinity, signal } = options;
  const isCount = Number.isSafeInteger(conflictsMax) && conflictsMax >= 0;
  check(isCount, "conflictsMax", conflictsMax, "must be a whole number, at least 0");
  check(typeof waitMs === "number" && waitMs >= 0, "waitMs", waitMs, "must be a number of ms ≥ 0, or Infinity");
  check(signal === undefined || signal instanceof AbortSignal, "signal", signal, "must be an AbortSignal");
}
