// As what a member wants to hold a key, and how that is written down.

import type { AcquireOptions } from "../../src/index.js";
import type { LeaseMode, PermitsTaken } from "../history/history.js";

export type Wish = {
  readonly options: Pick<AcquireOptions, "mode" | "permits">;
  readonly facts: { readonly mode?: LeaseMode; readonly permits?: PermitsTaken };
  /** Who holds the key beside others does not write. */
  readonly writes: boolean;
};

export const EXCLUSIVE: Wish = { options: {}, facts: {}, writes: true };
export const SHARED: Wish = { options: { mode: "shared" }, facts: { mode: "shared" }, writes: false };

const PERMITS = 2;

/** Keys that are only ever used in permits. */
export function isPool(key: string): boolean {
  return key.startsWith("pool");
}

export function somePermits(take: number): Wish {
  const permits = { limit: PERMITS, take };
  return { options: { permits }, facts: { mode: "permits", permits }, writes: false };
}
