// As what a simulated job wants to hold a key.

import type { AcquireOptions } from "../../src/index.js";
import { mulberry32 } from "../support/wait.js";
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

/** A key with another one above it. */
export function isPath(key: string): boolean {
  return key.includes("/");
}

/** So many permits of a pool; all of them, unless told otherwise. */
export function wholePool(take = PERMITS): Wish {
  return { mode: "permits", units: take, limit: PERMITS, options: { permits: { limit: PERMITS, take } } };
}

/** What excludes everybody else. */
export function alone(key: string): AcquireOptions {
  return isPool(key) ? wholePool().options : {};
}

/** How likely a job of that world does what. */
export type Rates = {
  /** Only wants to read. */
  readonly readers: number;
  /** Takes a key while it holds another. */
  readonly nested: number;
  /** Asks for a key back instead of taking it. */
  readonly revokers: number;
  /** Whether the second key lies under the first. */
  readonly hasPath: boolean;
};

/** Chance of its own, so that worlds without these are what they were before there were any. */
export function chooseRates(seed: number, readers: number): Rates {
  const random = mulberry32(~seed >>> 0);
  const pick = (rates: readonly number[]) => rates[Math.floor(random() * rates.length)]!;
  return { readers, nested: pick([0, 0, 0.2, 0.5]), revokers: pick([0, 0, 0.05, 0.2]), hasPath: random() < 0.4 };
}
