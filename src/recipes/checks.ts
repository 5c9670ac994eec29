import { OptionError } from "../index.js";

// The rules of the locker's own options, for those that a recipe does not hand on to it, or not at once.

/** The longest a timer can wait. */
const MS_MAX = 2 ** 31 - 1;

export function check(holds: boolean, option: string, value: unknown, rule: string): void {
  if (!holds) throw new OptionError(option, value, rule);
}

export function checkMs(option: string, value: unknown, least: number): void {
  const isWhole = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MS_MAX;
  check(isWhole, option, value, `must be a whole number of ms from ${least} to ${MS_MAX}`);
}

export function checkNames(given: object, known: readonly string[]): void {
  for (const [name, value] of Object.entries(given)) check(known.includes(name), name, value, "is not an option");
}
