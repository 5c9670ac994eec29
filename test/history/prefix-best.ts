// The question that most rules ask: of all that happened before this moment, by anybody but this one, what was largest?

export type Entry<T> = { readonly atMs: number; readonly value: number; readonly owner: string; readonly of: T };

/** Made in O(n log n), each question costs O(log n). */
export class PrefixBest<T> {
  readonly #times: number[] = [];
  /** At each time the two largest of different owners: one of them is not the asker's. */
  readonly #best: (readonly Entry<T>[])[] = [];

  constructor(entries: readonly Entry<T>[]) {
    let best: readonly Entry<T>[] = [];
    for (const entry of entries.toSorted((a, b) => a.atMs - b.atMs)) {
      best = withEntry(best, entry);
      this.#times.push(entry.atMs);
      this.#best.push(best);
    }
  }

  /** The largest whose time lies strictly before `beforeMs`, of another owner. */
  largest(beforeMs: number, notOf: string): Entry<T> | undefined {
    const count = firstIndex(this.#times, (timeMs) => timeMs >= beforeMs);
    return this.#best[count - 1]?.find(({ owner }) => owner !== notOf);
  }
}

function withEntry<T>(best: readonly Entry<T>[], entry: Entry<T>): readonly Entry<T>[] {
  const own = best.find(({ owner }) => owner === entry.owner);
  if (own && own.value >= entry.value) return best;
  const others = best.filter((other) => other !== own);
  return [...others, entry].sort((a, b) => b.value - a.value).slice(0, 2);
}

/** Where the condition begins to be true in a sorted list; its length when it never does. */
export function firstIndex<T>(list: readonly T[], isReached: (item: T) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isReached(list[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
