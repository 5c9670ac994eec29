// As what a simulated job wants to hold a key.

import type { AcquireOptions } from "../../src/index.js";
import type { ModeSeen } from "./records-seen.js";

export type Wish = {
  readonly mode: ModeSeen;
  readonly units: number;
  readonly limit: number;
  readonly options: AcquireOptions;
};

export const EXCLUSIVE: Wish = { mode: "exclusive", units: 1, limit: 1, options: {} };
export const SHARED: Wish = { mode: "shared", units: 1, limit: Infinity, options: { mode: "shared" } };

const PERMITS = 2;

/** A key that is only ever used in permits. */
export function isPool(key: string): boolean {
  return key.startsWith("pool");
}

/** So many permits of a pool; all of them, unless told otherwise. */
export function wholePool(take = PERMITS): Wish {
  return { mode: "permits", units: take, limit: PERMITS, options: { permits: { limit: PERMITS, take } } };
}

/** What excludes everybody else. */
export function alone(key: string): AcquireOptions {
  return isPool(key) ? wholePool().options : {};
}
