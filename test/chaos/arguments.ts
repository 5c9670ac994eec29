// The command line of `npm run chaos` and `npm run soak`.

import { parseArgs } from "node:util";
import { faultKinds, type FaultKind } from "./kinds.js";

export type Arguments = {
  /** Of the first schedule; the next ones count on. Undefined: a fresh one, printed. */
  readonly seed: number | undefined;
  /** No schedule begins later than that, ms. */
  readonly durationMs: number;
  readonly schedules: number;
  readonly backend: string;
  readonly processes: number | undefined;
  readonly only: readonly FaultKind[] | undefined;
  /** A file that holds one schedule as JSON, to be run in place of what the seed would give. */
  readonly schedule: string | undefined;
  readonly shrink: boolean;
  /** Schedules that run at the same time. */
  readonly atOnce: number;
  /** Without the list of faults. */
  readonly quiet: boolean;
};

export const usage = `npm run chaos -- [--seed S] [--duration 60s] [--backend B] [--schedules N] [--processes N]
  [--only kind,kind] [--schedule file.json] [--shrink] [--at-once 2] [--quiet]
npm run soak -- [--hours H | --schedules N] [and the same]`;

/** Throws with the usage in its message when an argument is not understood. */
export function readArguments(args: string[]): Arguments {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      ...{ seed: text, duration: text, hours: text, backend: text, schedules: text, processes: text, only: text },
      ...{ schedule: text, shrink: { type: "boolean" }, quiet: { type: "boolean" }, "at-once": text },
    },
  });
  const { seed, duration, hours, schedules, processes, only, schedule } = values;
  const byCount = schedules !== undefined || schedule !== undefined;
  const durationMs = hours !== undefined ? readNumber("--hours", hours) * 3_600_000 : readDuration(duration ?? "60s");
  return {
    seed: seed === undefined ? undefined : readNumber("--seed", seed) >>> 0,
    durationMs: byCount && hours === undefined && duration === undefined ? Infinity : durationMs,
    schedules: schedule === undefined ? readNumber("--schedules", schedules ?? "Infinity") : 1,
    backend: values.backend ?? "redis",
    processes: processes === undefined ? undefined : readNumber("--processes", processes),
    only: only?.split(",").map(readKind),
    schedule,
    shrink: values.shrink ?? false,
    atOnce: readNumber("--at-once", values["at-once"] ?? "2"),
    quiet: values.quiet ?? false,
  };
}

/** "60s", "5m", "1h", "800ms". */
function readDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit ?? ""];
  if (number === undefined || unitMs === undefined) throw new RangeError(`--duration ${text}\n${usage}`);
  return Number(number) * unitMs;
}

function readNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isNaN(number) || number < 0) throw new RangeError(`${name} ${text}\n${usage}`);
  return number;
}

function readKind(name: string): FaultKind {
  const kind = faultKinds.find((known) => known === name);
  if (!kind) throw new RangeError(`--only ${name}: there are ${faultKinds.join(", ")}`);
  return kind;
}
