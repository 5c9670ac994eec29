// Makes a failing scenario small: delta debugging over its faults, then fewer processes and keys, less time, simpler
// faults, again and again until nothing more can be left out.

import type { Fault, Scenario } from "./scenario.js";

export type ShrinkOptions = {
  /** How many scenarios may be run. Default 200. */
  readonly triesMax?: number;
  readonly onSmaller?: (scenario: Scenario, tries: number) => void;
};

export type Shrunk<S extends Scenario> = { readonly scenario: S; readonly tries: number; readonly isMinimal: boolean };

/**
 * `fails` says whether a scenario still shows the same failure. Real processes differ from run to run: there it runs
 * several times, see failsOften. The scenario given is taken to fail; it is not run again.
 */
export async function shrink<S extends Scenario>(
  failing: S,
  fails: (scenario: S) => boolean | Promise<boolean>,
  { triesMax = 200, onSmaller }: ShrinkOptions = {},
): Promise<Shrunk<S>> {
  let [best, tries, isMinimal] = [failing, 0, false];
  const seen = new Set([JSON.stringify(failing)]);
  const keepIfFails = async (candidate: S): Promise<boolean> => {
    const text = JSON.stringify(candidate);
    if (seen.has(text) || tries >= triesMax) return false;
    seen.add(text);
    tries++;
    if (!(await fails(candidate))) return false;
    best = candidate;
    onSmaller?.(best, tries);
    return true;
  };
  while (!isMinimal && tries < triesMax) {
    const before = best;
    await fewerFaults(() => best, keepIfFails);
    for (let at = 0; at < sizes.length + best.faults.length; at++) {
      for (const candidate of simplerAt(best, at)) if (await keepIfFails(candidate)) break;
    }
    isMinimal = best === before && tries < triesMax;
  }
  return { scenario: best, tries, isMinimal };
}

/** For real processes: at least `least` of `runs` fail. Stops as soon as that is decided. */
export function failsOften<S>(run: (scenario: S) => boolean | Promise<boolean>, least = 2, runs = 5) {
  return async (scenario: S): Promise<boolean> => {
    let failed = 0;
    for (let done = 0; done < runs && failed < least && failed + runs - done >= least; done++) {
      if (await run(scenario)) failed++;
    }
    return failed >= least;
  };
}

/** ddmin: without each of n parts; when none can go, twice as many parts, down to single faults. */
async function fewerFaults<S extends Scenario>(
  current: () => S,
  keepIfFails: (candidate: S) => Promise<boolean>,
): Promise<void> {
  if (await keepIfFails({ ...current(), faults: [] })) return;
  for (let parts = 2, size = current().faults.length; size > 1;) {
    const { faults } = current();
    size = Math.ceil(faults.length / parts);
    let isSmaller = false;
    for (let from = 0; from < faults.length && !isSmaller; from += size) {
      const without = faults.filter((_fault, at) => at < from || at >= from + size);
      isSmaller = await keepIfFails({ ...current(), faults: without });
    }
    if (isSmaller) {
      parts = Math.max(parts - 1, 2);
      size = current().faults.length;
    } else if (size > 1) {
      parts = Math.min(parts * 2, faults.length);
    }
  }
}

const sizes = ["processes", "keys", "durationMs"] as const;

/** The simplest first. */
function simplerAt<S extends Scenario>(scenario: S, at: number): S[] {
  const size = sizes[at];
  if (size) return smaller(scenario, size).map((value) => ({ ...scenario, [size]: value }));
  const place = at - sizes.length;
  const fault = scenario.faults[place];
  if (!fault) return [];
  return simplerFaults(fault).map((simple) => ({ ...scenario, faults: scenario.faults.with(place, simple) }));
}

function smaller(scenario: Scenario, size: (typeof sizes)[number]): number[] {
  const value = scenario[size];
  if (size !== "durationMs") return [1, value >> 1, value - 1].filter((less) => less >= 1 && less < value);
  // The work goes on until the last fault is over: what comes after would never happen.
  const least = scenario.faults.reduce((most, { atMs, durationMs }) => Math.max(most, atMs + durationMs), 100);
  return [least, rounded((least + value) / 2)].filter((less) => less >= least && less < value);
}

function simplerFaults(fault: Fault): Fault[] {
  const shorter = [0, rounded(fault.durationMs / 2), rounded(fault.durationMs, 1), rounded(fault.durationMs)];
  const durations = shorter.filter((durationMs) => durationMs < fault.durationMs);
  const atMs = rounded(fault.atMs);
  const times = atMs < fault.atMs ? [{ ...fault, atMs }] : [];
  return [...durations.map((durationMs) => ({ ...fault, durationMs })), ...times];
}

/** Down to its leading digits: 1 783 becomes 1 700. */
function rounded(value: number, digits = 2): number {
  if (value < 1) return 0;
  const unit = 10 ** Math.max(Math.floor(Math.log10(value)) + 1 - digits, 0);
  return Math.floor(value / unit) * unit;
}
