import type { Entry, Kind, Records, Tables } from "../records.js";

type Rows = Map<string, Entry<unknown>>;
type Table = Map<string, Rows>;

/** Rows in maps: by kind, by key, by name. */
export class MemoryRecords implements Records {
  readonly #tables = new Map<Kind, Table>();

  get<K extends Kind>(kind: K, key: string, sub = ""): Tables[K] | undefined {
    return this.#table(kind).get(key)?.get(sub)?.row as Tables[K] | undefined;
  }

  scan<K extends Kind>(kind: K, key: string): readonly Entry<Tables[K]>[] {
    const rows = this.#table(kind).get(key);
    if (!rows) return [];
    const entries = [...rows.values()] as Entry<Tables[K]>[];
    return rows.size < 2 ? entries : entries.toSorted((a, b) => (a.sub < b.sub ? -1 : 1));
  }

  scanAll<K extends Kind>(kind: K): readonly Entry<Tables[K]>[] {
    return [...this.#table(kind).keys()].flatMap((key) => this.scan(kind, key));
  }

  put<K extends Kind>(kind: K, key: string, sub: string, row: Tables[K], untilMs: number): void {
    const table = this.#table(kind);
    const rows = table.get(key) ?? new Map<string, Entry<unknown>>();
    table.set(key, rows.set(sub, { key, sub, row, untilMs }));
  }

  delete(kind: Kind, key: string, sub?: string): void {
    const table = this.#table(kind);
    const rows = table.get(key);
    if (sub !== undefined) rows?.delete(sub);
    if (sub === undefined || rows?.size === 0) table.delete(key);
  }

  hasAny(kind: Kind): boolean {
    return this.#table(kind).size > 0;
  }

  clear(nowMs: number): void {
    for (const kind of this.#tables.keys()) {
      for (const { key, sub, untilMs } of this.scanAll(kind)) if (untilMs <= nowMs) this.delete(kind, key, sub);
    }
  }

  forget(): void {
    this.#tables.clear();
  }

  #table(kind: Kind): Table {
    let table = this.#tables.get(kind);
    if (!table) this.#tables.set(kind, (table = new Map()));
    return table;
  }
}
