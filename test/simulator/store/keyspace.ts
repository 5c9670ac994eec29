// What the store holds. Keys and values are bytes, instants are ms of the store's clock.

/** A hash keeps its fields in the order in which they came; a list or a set is only there to be of a wrong type. */
export type Value = string | Map<string, string> | Foreign;
export interface Foreign {
  readonly foreign: "list" | "set";
}

interface Entry {
  readonly value: Value;
  expiresAtMs: number | undefined;
}

/** One entry as it is compared and kept: the time to live as an instant. */
export interface DumpedEntry {
  readonly key: string;
  readonly value: Value;
  readonly expiresAtMs: number | undefined;
}

export class Keyspace {
  #entries = new Map<string, Entry>();
  /** Nothing expires before it; it may be earlier than the first that does. */
  #nextExpiryMs = Infinity;

  /**
   * Removes what has expired at this instant; a key lives through the ms that it expires at, as in Redis. Called before
   * each look, so that a clock that steps back brings nothing back to life: a real server does so within about 100 ms.
   */
  sweep(nowMs: number): void {
    if (nowMs <= this.#nextExpiryMs) return;
    this.#nextExpiryMs = Infinity;
    for (const [key, { expiresAtMs = Infinity }] of this.#entries) {
      if (nowMs > expiresAtMs) this.#entries.delete(key);
      else this.#nextExpiryMs = Math.min(this.#nextExpiryMs, expiresAtMs);
    }
  }

  read(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Replaces whatever was there. */
  write(key: string, value: Value, expiresAtMs: number | undefined): void {
    this.#entries.set(key, { value, expiresAtMs });
    this.#nextExpiryMs = Math.min(this.#nextExpiryMs, expiresAtMs ?? Infinity);
  }

  remove(key: string): boolean {
    return this.#entries.delete(key);
  }

  /** False when there is no such key. */
  expireAt(key: string, expiresAtMs: number): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    entry.expiresAtMs = expiresAtMs;
    this.#nextExpiryMs = Math.min(this.#nextExpiryMs, expiresAtMs);
    return true;
  }

  expiresAt(key: string): number | undefined {
    return this.#entries.get(key)?.expiresAtMs;
  }

  clear(): void {
    this.load([]);
  }

  /** A copy, sorted by key. */
  dump(): DumpedEntry[] {
    const copies = [...this.#entries].map(([key, { value, expiresAtMs }]) => ({
      key,
      value: copy(value),
      expiresAtMs,
    }));
    return copies.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  load(entries: readonly DumpedEntry[]): void {
    this.#entries = new Map();
    this.#nextExpiryMs = Infinity;
    for (const { key, value, expiresAtMs } of entries) this.write(key, copy(value), expiresAtMs);
  }
}

function copy(value: Value): Value {
  return value instanceof Map ? new Map(value) : value;
}
