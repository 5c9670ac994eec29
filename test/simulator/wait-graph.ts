// Which task holds what and waits for what, as the tasks themselves know it: judges what the lockers say of cycles.

import type { Report } from "./look.js";

/** For how long a cycle may stand in the calm, ms: the longest pause between two looks of a wait, and their ways. */
const CYCLE_MS_MAX = 1_500;

type LeaseInHand = { readonly key: string; readonly state: string };

/** One task of one process. */
export type Task = { readonly who: string; readonly isDead: () => boolean };
export type Hold = { readonly task: Task; readonly lease: LeaseInHand; readonly fromMs: number; toMs: number };
/** `keys`: more than one when nobody but the package knows for which of them it waits, and which it holds already. */
export type Wait = { readonly task: Task; readonly keys: readonly string[]; readonly fromMs: number; toMs: number };

type Span = { readonly fromMs: number; readonly toMs: number };

export class WaitGraph {
  readonly #report: Report;
  readonly #nowMs: () => number;
  readonly #holds: Hold[] = [];
  readonly #waits: Wait[] = [];
  /** Since when a cycle of these waits is seen. */
  #standing = new Map<string, number>();

  constructor(report: Report, nowMs: () => number) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  holds(task: Task, lease: LeaseInHand): Hold {
    const hold = { task, lease, fromMs: this.#nowMs(), toMs: Infinity };
    this.#holds.push(hold);
    return hold;
  }

  waits(task: Task, keys: readonly string[]): Wait {
    const wait = { task, keys, fromMs: this.#nowMs(), toMs: Infinity };
    this.#waits.push(wait);
    return wait;
  }

  end(one: Hold | Wait): void {
    if (one.toMs === Infinity) one.toMs = this.#nowMs();
  }

  /** Q7: looks in the calm, again and again. */
  watch(): void {
    const standing = new Map<string, number>();
    for (const [i, wait] of this.#waits.entries()) {
      const cycle = isLive(wait) ? this.#cycleOf(wait) : undefined;
      if (!cycle || cycle.some((other) => this.#waits.indexOf(other) < i)) continue;
      const name = cycle.map((other) => this.#waits.indexOf(other)).join();
      const sinceMs = this.#standing.get(name) ?? this.#nowMs();
      standing.set(name, sinceMs);
      if (this.#nowMs() - sinceMs <= CYCLE_MS_MAX) continue;
      const words = cycle.map(({ task, keys }) => `${task.who} for ${keys.join()}`).join(", ");
      this.#report("Q7", `a cycle of waits has stood for ${CYCLE_MS_MAX} ms: ${words}`);
    }
    this.#standing = standing;
  }

  /** Q7: the wait ended with a DeadlockError. All that it names must have stood at one moment of that wait. */
  onDeadlock(wait: Wait, keys: readonly string[]): void {
    if (keys.length > 0 && wait.keys.includes(keys[0]!) && this.#stood(wait, keys, wait)) return;
    this.#report("Q7", `${wait.task.who} was told of a cycle (${keys.join(", ")}) that never stood`, keys[0]);
  }

  /** The shortest, from that wait on. */
  #cycleOf(start: Wait): Wait[] | undefined {
    const seen = new Set([start]);
    const ways: Wait[][] = [[start]];
    for (const way of ways) {
      const holders = this.#holders(way.at(-1)!.keys[0]!).filter(({ lease }) => lease.state === "held");
      for (const { task } of holders) {
        if (task === start.task) return way;
        for (const wait of this.#waits) {
          if (wait.task !== task || seen.has(wait) || !isLive(wait)) continue;
          seen.add(wait);
          ways.push([...way, wait]);
        }
      }
    }
    return undefined;
  }

  #stood(wait: Wait, [key, ...rest]: readonly string[], span: Span): boolean {
    const isOf = (other: Wait) => other.keys.length > 1 && other.keys.includes(key!);
    const holders = [...this.#holders(key!, span), ...this.#waits.filter(isOf)];
    return holders.some((holder) => {
      const common = overlap(span, holder);
      if (!common) return false;
      if (rest.length === 0) return holder.task === wait.task;
      return this.#waits.some((next) => {
        const then = next.task === holder.task && next.keys.includes(rest[0]!) ? overlap(common, next) : undefined;
        return then !== undefined && this.#stood(wait, rest, then);
      });
    });
  }

  #holders(key: string, span: Span = { fromMs: this.#nowMs(), toMs: Infinity }): Hold[] {
    return this.#holds.filter((hold) => hold.lease.key === key && overlap(hold, span));
  }
}

/** Of a wait for several keys nobody can say what would be a cycle. */
function isLive({ task, keys, toMs }: Wait): boolean {
  return toMs === Infinity && keys.length === 1 && !task.isDead();
}

function overlap(one: Span, other: Span): Span | undefined {
  const span = { fromMs: Math.max(one.fromMs, other.fromMs), toMs: Math.min(one.toMs, other.toMs) };
  return span.fromMs <= span.toMs ? span : undefined;
}
