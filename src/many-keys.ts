import { checkKey, checkMode } from "./acquire-options.js";
import type { Clock } from "./clock.js";
import type { Holder } from "./databases/database.js";
import { OptionError } from "./errors.js";

export type KeyAndMode = { key: string; mode: "exclusive" | "shared" };
/** A key, exclusive unless it says otherwise. */
export type KeyWanted = string | { key: string; mode?: "exclusive" | "shared" };

/** What was asked for, in that order and in the order in which to acquire it: sorted, each key once. */
export function planKeys(wanted: readonly KeyWanted[]): { asked: readonly string[]; sorted: readonly KeyAndMode[] } {
  const isList = Array.isArray(wanted) && wanted.length > 0;
  if (!isList) throw new OptionError("keys", wanted, "must be a list of keys, at least one");
  const modes = new Map<string, KeyAndMode["mode"]>();
  const asked = wanted.map((one) => {
    const { key, mode = "exclusive" } = typeof one === "object" && one !== null ? one : { key: one };
    checkKey(key);
    checkMode("mode", mode);
    if ((modes.get(key) ?? mode) !== mode) throw new OptionError("keys", key, "must not be listed in two modes");
    modes.set(key, mode);
    return key;
  });
  // By UTF-16 units, so that all processes agree, whatever their language; a path comes after what lies above it.
  const sorted = [...modes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, mode]) => ({ key, mode }));
  return { asked, sorted };
}

export type TakeAllDeps<Lease> = {
  clock: Clock;
  /** Waits so long at most; `holding`: what is held already while it waits. */
  take(one: KeyAndMode, waitMs: number, holding: readonly Lease[]): Promise<{ lease: Lease } | { holder: Holder }>;
  giveBack(leases: readonly Lease[]): Promise<unknown>;
};

/**
 * All of them or nothing. They are tried at once, which is one command; when one is held and there is patience, they
 * are waited for one after the other, in the order given, so that those who all do the same never wait in a circle.
 */
export async function takeAll<Lease>(
  keys: readonly KeyAndMode[],
  waitMs: number,
  deps: TakeAllDeps<Lease>,
): Promise<{ leases: readonly Lease[] } | { holder: Holder }> {
  const untilMs = deps.clock.monoMs() + waitMs;
  const tried = await tryAll(keys, deps);
  if ("leases" in tried || waitMs <= 0) return tried;
  const leases: Lease[] = [];
  try {
    for (const one of keys) {
      const taken = await deps.take(one, Math.max(0, untilMs - deps.clock.monoMs()), leases);
      if ("holder" in taken) {
        await deps.giveBack(leases);
        return taken;
      }
      leases.push(taken.lease);
    }
  } catch (error) {
    await deps.giveBack(leases);
    throw error;
  }
  return { leases };
}

async function tryAll<Lease>(keys: readonly KeyAndMode[], { take, giveBack }: TakeAllDeps<Lease>) {
  const tries = await Promise.allSettled(keys.map((one) => take(one, 0, [])));
  const answers = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const leases = answers.flatMap((one) => ("lease" in one ? [one.lease] : []));
  if (leases.length === keys.length) return { leases };
  await giveBack(leases);
  for (const one of tries) if (one.status === "rejected") throw one.reason;
  return answers.find((one) => "holder" in one)!;
}
