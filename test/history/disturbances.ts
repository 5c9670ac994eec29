// When a process cannot be blamed.

import type { CheckerRules } from "./checker-rules.js";
import type { FaultSpan, HistoryIndex } from "./history-index.js";

export class Disturbances {
  readonly #faults: readonly FaultSpan[];
  readonly #hits: (target: string, process: string) => boolean;
  readonly #aftermathMs: number;
  readonly #ofProcess = new Map<string, readonly FaultSpan[]>();

  constructor(index: HistoryIndex, rules: CheckerRules) {
    this.#faults = index.faults;
    this.#hits = rules.hits ?? hitsByName;
    this.#aftermathMs = rules.aftermathMs ?? 0;
  }

  /** Faults that hit the process, ordered by their begin, each widened by the aftermath on both sides. */
  of(process: string): readonly FaultSpan[] {
    const known = this.#ofProcess.get(process);
    if (known) return known;
    const spans = this.#faults
      .filter(({ target }) => this.#hits(target, process))
      .map((span) => ({ ...span, fromMs: span.fromMs - this.#aftermathMs, toMs: span.toMs + this.#aftermathMs }))
      .toSorted((a, b) => a.fromMs - b.fromMs);
    this.#ofProcess.set(process, spans);
    return spans;
  }

  /**
   * When `boundMs` in a row without a fault on the process have passed since `fromMs`. A fault inside starts the time
   * anew at its end: what was done for half the bound may be undone by it.
   */
  deadline(process: string, fromMs: number, boundMs: number): number {
    return deadlineAmid(this.of(process), fromMs, boundMs);
  }

  /** Faults and deaths of all who wanted a key: one of them may have been granted it, and never have known. */
  ofAll(processes: Iterable<string>, endOf: (process: string) => number): readonly FaultSpan[] {
    const deaths = [...processes].map((target) => {
      const atMs = endOf(target);
      return { fault: "end", target, fromMs: atMs - this.#aftermathMs, toMs: atMs + this.#aftermathMs };
    });
    const spans = [...processes].flatMap((process) => this.of(process));
    return [...spans, ...deaths.filter(({ toMs }) => toMs < Infinity)].toSorted((a, b) => a.fromMs - b.fromMs);
  }
}

/** The spans are in the order of their begins. */
export function deadlineAmid(spans: readonly FaultSpan[], fromMs: number, boundMs: number): number {
  let startMs = fromMs;
  for (const span of spans) {
    if (span.fromMs <= startMs + boundMs && span.toMs > startMs) startMs = span.toMs;
  }
  return startMs + boundMs;
}

function hitsByName(target: string, process: string): boolean {
  return target === process || target === "store" || target === "all" || process.startsWith(`${target}.`);
}
