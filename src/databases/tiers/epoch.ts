import type { Clock } from "../../clock.js";

/** Between two changes of the tier. Its eras' ids begin with it: a lease of another epoch is one of another era. */
export type Epoch = { epoch: number; isAway: boolean };

/** What the register tells. Times are PostgreSQL's, ms. */
export type Tier = Epoch & {
  /** The epoch before: a session may enter from there alone. */
  previous: number;
  /** Until when anybody was served in the epoch before, as far as they told. */
  servedUntilMs: number;
  /** No token of an earlier epoch is above it. */
  fence: number;
  /** The largest of all who ever asked. */
  recoveryMs: number;
  nowMs: number;
};

/** Undefined for an id that was not made for tiers. */
export function epochOf(era: string): Epoch | undefined {
  const match = /^(\d+)([pr])\./.exec(era);
  return match ? { epoch: Number(match[1]), isAway: match[2] === "p" } : undefined;
}

/** A clock by which Redis begins eras of that epoch; PostgreSQL names its own (prelude.sql). */
export function clockOf(clock: Clock, { epoch }: Epoch): Clock {
  return {
    monoMs: () => clock.monoMs(),
    wallMs: () => clock.wallMs(),
    timer: (ms, fn) => clock.timer(ms, fn),
    afterInput: (fn) => clock.afterInput(fn),
    random: () => clock.random(),
    freshId: (length) => `${epoch}r.${clock.freshId(length)}`,
  };
}
